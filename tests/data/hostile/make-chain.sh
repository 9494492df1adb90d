#!/usr/bin/env bash
# Makes chain.pem and chain.key: 99 CA certificates with one P-521 key K, all "CN=x" issued by "CN=x" but signed by another key U; X signed by K, last
openssl ecparam -name secp521r1 -genkey -noout -out K.key 2>/dev/null; openssl ecparam -name secp521r1 -genkey -noout -out U.key 2>/dev/null; openssl ecparam -name secp521r1 -genkey -noout -out X.key 2>/dev/null
printf 'basicConstraints=critical,CA:TRUE\n' > ca.ext
openssl req -x509 -new -key U.key -subj /CN=x -days 36500 -out U.crt 2>/dev/null
openssl req -x509 -new -key K.key -subj /CN=x -days 36500 -out Kself.crt 2>/dev/null
openssl req -new -key K.key -subj /CN=x -out K.csr 2>/dev/null; openssl req -new -key X.key -subj /CN=x -out X.csr 2>/dev/null
: > chain.pem
for i in $(seq 1 99); do openssl x509 -req -in K.csr -CA U.crt -CAkey U.key -set_serial $i -days 36500 -extfile ca.ext -sha512 2>/dev/null >> chain.pem; done
openssl x509 -req -in X.csr -CA Kself.crt -CAkey K.key -set_serial 1000 -days 36500 -extfile ca.ext -sha512 2>/dev/null >> chain.pem
wc -c chain.pem; grep -c BEGIN chain.pem
