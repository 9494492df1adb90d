"""A stand-in for CyberArk Certificate Manager: Self-Hosted, SaaS and Next-Gen Trust Security, as their official clients call them.

    server.py ADDRESS PORT CONTROL_PORT     with server.crt and server.key in the current folder

It serves HTTPS at PORT. What a client sends is read strictly: a request without its credential, or with a field that the official clients do not
know, is refused. At CONTROL_PORT (HTTP), GET /root returns the root of its certificates, GET /requests what was sent, and POST /set changes what
it does: a JSON object with some of the names in `STATE`.
"""

import base64
import datetime
import json
import re
import ssl
import sys
import threading
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# What POST /set can change.
STATE = {
    "pending": False,  # requests stay unfinished
    "failed": "",  # requests that are not finished end with this
    "status": 0,  # every call but a login is answered with this status
    "refuse": "",  # requests for certificates are refused with these words
    "user": "password",  # the password of the user "certlet"
    "token": "managed-token",  # the access token that an administrator has made
    "key": "api-key",  # the API key of SaaS
    "secret": "secret",  # the secret of the service account "service-account"
    "lifetime": 3600,  # of tokens, in seconds
    "issuer": False,  # every certificate is for another key than the request
}
FOLDER = "\\VED\\Policy\\Certificates"
APPLICATION, ALIAS, TEMPLATE = "Shop Ü", "Web", "template-1"
LOCK = threading.RLock()
REQUESTS = []  # what was sent
TOKENS = set()  # that were granted
OBJECTS = {}  # by distinguished name or identifier: the PEM of the CSR, and the end of the certificate

# The fields that the official clients send.
SELF_HOSTED_FIELDS = set(
    "PolicyDN CADN ObjectName Subject SubjectAltNames Contacts CASpecificAttributes Origin PKCS10 KeyAlgorithm KeyBitSize EllipticCurve "
    "DisableAutomaticRenewal CustomFields Devices CertificateType Reenable WorkToDoTimeout PkixParameterSet".split()
)
SAAS_FIELDS = set(
    "certificateSigningRequest applicationId certificateIssuingTemplateId certificateOwnerUserId existingCertificateId apiClientInformation "
    "certificateUsageMetadata reuseCSR validityPeriod isVaaSGenerated csrAttributes applicationServerTypeId tags".split()
)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Authority:
    """A root with an intermediate."""

    def __init__(self):
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self.certify("Stand-in Root", self.root_key.public_key(), "Stand-in Root", self.root_key, ca=True)
        self.intermediate = self.certify("Stand-in CA", self.key.public_key(), "Stand-in Root", self.root_key, ca=True)

    def certify(self, subject, public_key, issuer, issuer_key, ca=False, extensions=(), end=None):
        def name(text):
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        subject = name(subject) if isinstance(subject, str) else subject
        begin = now() - datetime.timedelta(minutes=1)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(name(issuer)).public_key(public_key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin)
        builder = builder.not_valid_after(end or now() + datetime.timedelta(days=90))
        builder = builder.add_extension(x509.BasicConstraints(ca, None), True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(above, False)
        for extension in extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return builder.sign(issuer_key, hashes.SHA256())

    def chain(self, csr_pem, end):
        """The certificate for a CSR, and those above it, as PEM."""
        csr = x509.load_pem_x509_csr(csr_pem.encode())
        names = [one for one in csr.extensions if one.oid == x509.SubjectAlternativeName.oid]
        key = ec.generate_private_key(ec.SECP256R1()).public_key() if STATE["issuer"] else csr.public_key()
        leaf = self.certify(csr.subject, key, "Stand-in CA", self.key, extensions=names, end=end)
        return "".join(pem(one) for one in (leaf, self.intermediate, self.root))


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


AUTHORITY = Authority()


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(status)
        self.status, self.body = status, body


def self_hosted_error(text, status=400):
    return Refused(status, {"Error": text})


def saas_error(text, code=1, status=400):
    return Refused(status, {"errors": [{"code": code, "message": text, "args": []}]})


def only(fields, known, error):
    unknown = set(fields) - known
    if unknown:
        raise error(f"unknown fields: {sorted(unknown)}")


def period(text):
    """A duration of ISO 8601, in days, hours, minutes and seconds."""
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", text)
    if not found or not any(found.groups()):
        raise saas_error(f"validityPeriod is no duration: {text}")
    days, hours, minutes, seconds = (int(group or 0) for group in found.groups())
    return datetime.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def policy():
    def free(value=""):
        return {"Locked": False, "Value": value}

    return {
        "CertificateAuthority": free(),
        "CsrGeneration": free(),
        "KeyGeneration": free(),
        "ManagementType": free(),
        "KeyPair": {"KeyAlgorithm": free("RSA"), "KeySize": free(2048), "EllipticCurve": free("P256")},
        "PrivateKeyReuseAllowed": True,
        "SubjAltNameDnsAllowed": True,
        "SubjAltNameEmailAllowed": True,
        "SubjAltNameIpAllowed": True,
        "SubjAltNameUpnAllowed": True,
        "SubjAltNameUriAllowed": True,
        "Subject": {
            "City": free("Bonn"),
            "Country": free("DE"),
            "Organization": free("Example"),
            "OrganizationalUnit": {"Locked": False, "Values": ["Web"]},
            "State": free("NW"),
        },
        "UniqueSubjectEnforced": False,
        "WhitelistedDomains": ["example"],
        "WildcardsAllowed": True,
    }


def template():
    keys = [{"keyType": "RSA", "keyLengths": [2048, 3072, 4096]}, {"keyType": "EC", "keyCurves": ["P256", "P384", "P521"]}]
    return {
        "id": TEMPLATE,
        "name": ALIAS,
        "certificateAuthority": "BUILTIN",
        "subjectCNRegexes": [".*\\.example"],
        "subjectORegexes": [".*"],
        "subjectOURegexes": [".*"],
        "subjectSTRegexes": [".*"],
        "subjectLRegexes": [".*"],
        "subjectCValues": [".*"],
        "sanRegexes": [".*\\.example"],
        "keyTypes": keys,
        "keyReuse": False,
        "recommendedSettings": {"subjectOValue": "Example", "key": {"type": "RSA", "length": 2048}, "keyReuse": False},
        "csrUploadAllowed": True,
    }


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve(None)

    def do_POST(self):
        self.serve(self.rfile.read(int(self.headers.get("content-length", 0))))

    def serve(self, raw):
        url = urllib.parse.urlsplit(self.path)
        is_form = self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        try:
            body = dict(urllib.parse.parse_qsl((raw or b"").decode())) if is_form else json.loads(raw) if raw else {}
            with LOCK:
                REQUESTS.append({"method": self.command, "path": self.path, "body": body, "agent": self.headers.get("user-agent", "")})
                status, answer = self.answer(url.path, url.query, body)
        except Refused as refused:
            status, answer = refused.status, refused.body
        except (ValueError, KeyError, TypeError) as error:
            status, answer = 400, {"Error": f"{type(error).__name__}: {error}"}
        is_text = isinstance(answer, str)
        data = (answer if is_text else json.dumps(answer)).encode()
        self.send_response(status)
        # the official client for Python compares the whole value
        self.send_header("content-type", "text/plain" if is_text else "application/json")
        if status == 429:
            self.send_header("retry-after", "7")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer(self, path, query, body):
        if path == "/vedauth/authorize/oauth":
            return self.self_hosted_login(body)
        if path == "/oauth2/access_token":
            return self.service_account_login(body)
        if STATE["status"]:
            raise Refused(STATE["status"], {})
        if path.startswith("/vedsdk/") or path.startswith("/vedauth/"):
            return self.self_hosted(path, body)
        if path.startswith("/ngts/"):
            self.bearer("grant", saas_error)
            return self.saas(path.removeprefix("/ngts"), query, body, with_applications=False)
        if self.headers.get("tppl-api-key") != STATE["key"]:
            raise saas_error("API key is not valid", 10401, 401)
        return self.saas(path, query, body, with_applications=True)

    def bearer(self, kind, error):
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in TOKENS and (kind == "grant" or token != STATE["token"]):
            raise error("the token is not valid", status=401)

    def grant(self):
        token = uuid.uuid4().hex
        TOKENS.add(token)
        return token

    def self_hosted_login(self, body):
        only(body, {"client_id", "username", "password", "scope", "state"}, self_hosted_error)
        if body["username"] != "certlet" or body["password"] != STATE["user"]:
            raise Refused(400, {"error": "invalid_grant", "error_description": "Username/password combination not valid"})
        if "certificate:" not in body["scope"]:
            raise Refused(400, {"error": "invalid_scope", "error_description": "no scope for certificates"})
        expires = int(now().timestamp()) + STATE["lifetime"]
        answer = {"access_token": self.grant(), "refresh_token": uuid.uuid4().hex, "expires": expires, "expires_in": STATE["lifetime"]}
        return 200, answer | {"identity": "local:{1}", "refresh_until": expires, "scope": body["scope"], "token_type": "Bearer"}

    def service_account_login(self, body):
        basic = base64.b64encode(f"service-account:{STATE['secret']}".encode()).decode()
        if self.headers.get("authorization") != f"Basic {basic}":
            raise Refused(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        if body.get("grant_type") != "client_credentials" or body.get("scope") != "tsg_id:1234567890":
            raise Refused(400, {"error": "invalid_scope"})
        return 200, {"access_token": self.grant(), "token_type": "Bearer", "expires_in": STATE["lifetime"], "scope": body["scope"]}

    def self_hosted(self, path, body):
        self.bearer("any", self_hosted_error)
        if self.command == "GET":
            if path == "/vedsdk/":
                return 200, {}
            if path == "/vedauth/authorize/verify":
                return 200, {"application": "cert-manager.io", "identity": "local:{1}", "scope": "certificate:manage", "valid_for": 3600}
            if path == "/vedsdk/systemstatus/version":
                return 200, {"Version": "25.1.0"}
            raise self_hosted_error("no such resource", 404)
        if path == "/vedsdk/certificates/checkpolicy":
            only(body, {"PolicyDN"}, self_hosted_error)
            if body["PolicyDN"] != FOLDER:
                raise self_hosted_error(f"PolicyDN: {body['PolicyDN']} does not exist")
            return 200, {"Policy": policy()}
        if path == "/vedsdk/certificates/reset":
            only(body, {"CertificateDN", "Restart"}, self_hosted_error)
            found = OBJECTS.get(body["CertificateDN"])
            if found is None:
                raise self_hosted_error(f"Certificate {body['CertificateDN']} does not exist or you do not have sufficient rights to the object.")
            if not found.get("failed"):
                raise self_hosted_error("Reset is not completed. No reset is required for the certificate.")
            found["failed"] = ""
            return 200, {}
        if path == "/vedsdk/certificates/request":
            return self.self_hosted_request(body)
        if path == "/vedsdk/certificates/retrieve":
            only(body, {"CertificateDN", "Format", "IncludeChain", "RootFirstOrder", "IncludePrivateKey", "Password"}, self_hosted_error)
            found = OBJECTS.get(body["CertificateDN"])
            if found is None:
                raise self_hosted_error("Certificate does not exist.")
            found["failed"] = found.get("failed") or STATE["failed"]
            if found["failed"]:
                raise Refused(500, {"Stage": 500, "Status": found["failed"]})
            if STATE["pending"]:
                return 202, {"Stage": 400, "Status": "Post CSR"}
            text = AUTHORITY.chain(found["csr"], found["end"])
            return 200, {"CertificateData": base64.b64encode(text.encode()).decode(), "Filename": "x.cer", "Format": "base64"}
        raise self_hosted_error("no such resource", 404)

    def self_hosted_request(self, body):
        only(body, SELF_HOSTED_FIELDS, self_hosted_error)
        if STATE["refuse"]:
            raise self_hosted_error(STATE["refuse"])
        name = f"{body['PolicyDN']}\\{body['ObjectName']}"
        if body["PolicyDN"] != FOLDER:
            raise self_hosted_error("the folder does not exist")
        if OBJECTS.get(name, {}).get("failed"):
            raise self_hosted_error("Fix any errors, and then click Retry.")
        ends = [one["Value"] for one in body.get("CASpecificAttributes", []) if one["Name"] == "Specific End Date"]
        end = datetime.datetime.fromisoformat(ends[0]) if ends else None
        end = end and (end if end.tzinfo else end.replace(tzinfo=datetime.timezone.utc))
        OBJECTS[name] = {"csr": body["PKCS10"], "end": end}
        return 200, {"CertificateDN": name, "Guid": "{" + str(uuid.uuid4()) + "}"}

    def saas(self, path, query, body, with_applications):
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        if self.command == "GET":
            if parts == ["v1", "useraccounts"] and with_applications:
                return 200, {"user": {"id": "1", "username": "certlet"}, "company": {"id": "2", "name": "Example"}, "apiKey": {"userId": "1"}}
            if parts == ["v1", "certificateissuingtemplates"]:
                return 200, {"certificateIssuingTemplates": [template() | {"id": "other", "name": "Other"}, template()]}
            below = parts[2:] if parts[:2] == ["outagedetection", "v1"] else []
            if with_applications and below[:1] == ["applications"]:
                return self.application(below[1:])
            if len(below) == 2 and below[0] == "certificaterequests":
                return self.saas_status(below[1])
            if len(below) == 3 and below[0] == "certificates" and below[2] == "contents" and query == "chainOrder=EE_FIRST&format=PEM":
                found = OBJECTS.get(below[1].removeprefix("certificate-"))
                if found:
                    return 200, AUTHORITY.chain(found["csr"], found["end"])
            if len(below) == 2 and below[0] == "certificates":
                return 200, {"id": below[1]}
            raise saas_error("not found", 10404, 404)
        if parts == ["outagedetection", "v1", "certificaterequests"]:
            only(body, SAAS_FIELDS, saas_error)
            wanted = "application-1" if with_applications else None
            if body.get("applicationId") != wanted or body["certificateIssuingTemplateId"] != TEMPLATE:
                raise saas_error("the application or the issuing template is not known")
            if set(body["apiClientInformation"]) != {"type", "identifier"}:
                raise saas_error("apiClientInformation needs type and identifier")
            if STATE["refuse"]:
                raise saas_error(STATE["refuse"], 10702)
            identifier = str(uuid.uuid4())
            OBJECTS[identifier] = {"csr": body["certificateSigningRequest"], "end": now() + period(body["validityPeriod"])}
            return 201, {"certificateRequests": [{"id": identifier, "status": "REQUESTED", "certificateIds": []}]}
        raise saas_error("not found", 10404, 404)

    def application(self, parts):
        if parts == ["name", APPLICATION]:
            return 200, {"id": "application-1", "name": APPLICATION, "certificateIssuingTemplateAliasIdMap": {ALIAS: TEMPLATE}}
        if parts == [APPLICATION, "certificateissuingtemplates", ALIAS]:
            return 200, template()
        raise saas_error(f"no application or alias of this name: {parts}", 10051, 404)

    def saas_status(self, identifier):
        if identifier not in OBJECTS:
            raise saas_error("no such request", 10404, 404)
        answer = {"id": identifier, "certificateIssuingTemplateId": TEMPLATE, "certificateIds": [], "subjectDN": "CN=x"}
        if STATE["failed"]:
            return 200, answer | {"status": "FAILED", "errorInformation": {"type": "CA", "code": 1, "message": STATE["failed"], "args": []}}
        if STATE["pending"]:
            return 200, answer | {"status": "PENDING"}
        return 200, answer | {"status": "ISSUED", "certificateIds": [f"certificate-{identifier}"]}


class Control(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, text):
        data = text.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        with LOCK:
            self.reply(pem(AUTHORITY.root) if self.path == "/root" else json.dumps(REQUESTS))

    def do_POST(self):
        changes = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert set(changes) <= set(STATE), changes
        with LOCK:
            STATE.update(changes)
            if {"user", "secret"} & set(changes):
                TOKENS.clear()
        self.reply("{}")


def main():
    address, port, control_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    api = ThreadingHTTPServer((address, port), Api)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("server.crt", "server.key")
    api.socket = context.wrap_socket(api.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    ThreadingHTTPServer((address, control_port), Control).serve_forever()


if __name__ == "__main__":
    main()
