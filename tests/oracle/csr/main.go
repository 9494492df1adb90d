// Reads signing requests as Kubernetes and cert-manager do: with encoding/pem and crypto/x509.
//
// Standard input: texts, each after its length (4 bytes, big-endian). Standard output: one line of JSON per text.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"os"
)

type extension struct {
	OID      string `json:"oid"`
	Critical bool   `json:"critical"`
	Value    string `json:"value"`
}

type reading struct {
	Label      string      `json:"label"`     // empty: no PEM block
	Headers    int         `json:"headers"`   // lines in front of the base64
	DER        string      `json:"der"`       // base64
	Error      string      `json:"error"`     // of ParseCertificateRequest
	Signature  string      `json:"signature"` // error of CheckSignature
	Subject    string      `json:"subject"`   // hexadecimal DER
	DNS        []string    `json:"dns"`
	Emails     []string    `json:"emails"`
	IPs        []string    `json:"ips"`
	URIs       []string    `json:"uris"`
	Extensions []extension `json:"extensions"`
}

func read(text []byte) (out reading) {
	block, _ := pem.Decode(text)
	if block == nil {
		return out
	}
	out.Label, out.Headers, out.DER = block.Type, len(block.Headers), base64.StdEncoding.EncodeToString(block.Bytes)
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	if err := request.CheckSignature(); err != nil {
		out.Signature = err.Error()
	}
	out.Subject, out.DNS, out.Emails = hex.EncodeToString(request.RawSubject), request.DNSNames, request.EmailAddresses
	for _, ip := range request.IPAddresses {
		out.IPs = append(out.IPs, ip.String())
	}
	for _, uri := range request.URIs {
		out.URIs = append(out.URIs, uri.String())
	}
	for _, e := range request.Extensions {
		out.Extensions = append(out.Extensions, extension{e.Id.String(), e.Critical, hex.EncodeToString(e.Value)})
	}
	return out
}

func main() {
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var size uint32
		if err := binary.Read(in, binary.BigEndian, &size); err == io.EOF {
			return
		} else if err != nil {
			panic(err)
		}
		text := make([]byte, size)
		if _, err := io.ReadFull(in, text); err != nil {
			panic(err)
		}
		if err := out.Encode(read(text)); err != nil {
			panic(err)
		}
	}
}
