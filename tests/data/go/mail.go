// Prints which texts cert-manager's rule takes for a bare e-mail address, net/mail's ParseAddress giving the text itself: go run mail.go > ../mail.json
package main

import (
	"encoding/json"
	"net/mail"
	"os"
)

type row struct {
	Text     string `json:"text"`
	Accepted bool   `json:"accepted"`
}

func main() {
	locals := []string{"a", "a.b", ".a", "a.", "a..b", "a b", "\"a b\"", "\"a\"", "\"\"", "", "ä", "a+b", "a'b", "a=b", "a/b", "a,b", "a;b", "a:b", "a\\b", "(c)a", "a(c)", "<a", "a@b", "!#$%&'*+-/=?^_`{|}~", "a\tb", "a\x00b", "\u200ba", "A", " a", "a "}
	domains := []string{"example.com", "example", "example.com.", ".example.com", "example..com", "ä.example", "[10.0.0.1]", "[2001:db8::1]", "[IPv6:2001:db8::1]", "[::ffff:10.0.0.1]", "[10.0.0.256]", "[10.0.0.01]", "[]", "[a]", "[10.0.0.1", "10.0.0.1", "", "a b", "a (c)", "a>", "a,b@c", "a_b", "-a", "a\x7f", " a", "a ", "fe80::1", "[fe80::1%eth0]"}
	texts := []string{"", "@", "Alice <alice@example.com>", "<alice@example.com>", "alice", "a@b, c@d", "group: a@b;", "=?utf-8?q?a?= <a@b>", "mailto:a@b"}
	for _, local := range locals {
		for _, domain := range domains {
			texts = append(texts, local+"@"+domain)
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	os.Stdout.WriteString("[")
	for i, text := range texts {
		if i > 0 {
			os.Stdout.WriteString(",")
		}
		found, err := mail.ParseAddress(text)
		out.Encode(row{text, err == nil && found.Address == text})
	}
	os.Stdout.WriteString("]\n")
}
