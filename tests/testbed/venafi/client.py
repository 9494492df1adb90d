"""Gets a certificate with CyberArk's own client (vcert), and prints it with its chain.

    client.py PRODUCT URL CA_FILE NAME      PRODUCT is tpp, tpp-token, cloud or ngts
"""

import sys

from vcert import CertificateRequest, KeyType, venafi_connection
from vcert.common import VenafiPlatform

FOLDER, APPLICATION_AND_ALIAS, ALIAS = "Certificates", "Shop Ü\\Web", "Web"


def main():
    product, url, ca_file, name = sys.argv[1:]
    options = {"url": url, "http_request_kwargs": {"verify": ca_file, "timeout": 20}}
    if product == "tpp":
        connection, zone = venafi_connection(platform=VenafiPlatform.TPP, user="certlet", password="password", **options), FOLDER
    elif product == "tpp-token":
        connection, zone = venafi_connection(platform=VenafiPlatform.TPP, access_token="managed-token", **options), FOLDER
    elif product == "cloud":
        connection, zone = venafi_connection(platform=VenafiPlatform.VAAS, api_key="api-key", **options), APPLICATION_AND_ALIAS
        connection.auth()
    else:
        token_url = url.removesuffix("/ngts") + "/oauth2/access_token"
        options |= {"client_id": "service-account", "client_secret": "secret", "tsg_id": "1234567890", "token_url": token_url}
        connection, zone = venafi_connection(platform=VenafiPlatform.NGTS, **options), ALIAS
    request = CertificateRequest(common_name=name, san_dns=[name], key_type=KeyType(KeyType.ECDSA, "p256"), validity_hours=240)
    connection.request_cert(request, zone)
    print(connection.retrieve_cert(request).full_chain)


if __name__ == "__main__":
    main()
