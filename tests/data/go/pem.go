// Prints how Go's encoding/pem reads texts that are put together from whole, damaged and odd parts: go run pem.go > ../pem.json
package main

import (
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
)

type block struct {
	Label string `json:"label"`
	Hex   string `json:"hex"`
}

type row struct {
	Text   string  `json:"text"`
	Blocks []block `json:"blocks"`
}

func main() {
	a := "-----BEGIN A-----\nAQID\n-----END A-----\n"
	parts := []string{
		a,
		"-----BEGIN B B-----\r\nBAU=\r\n-----END B B-----\r\n",
		" -----BEGIN A-----\n AQID\n -----END A-----\n",
		"-----BEGIN A-----\rAQID\r-----END A-----\r",
		"-----BEGIN A-----\nA§ID\n-----END A-----\n",
		"-----BEGIN A-----\nAQI\n-----END A-----\n",
		"-----BEGIN A-----\nAQJ=\n-----END A-----\n",
		"-----BEGIN A-----\nAQID\n-----END C-----\n",
		"-----BEGIN A-----\nAQID\n",
		"AQID\n-----END A-----\n",
		"-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X\n\nAQID\n-----END A-----\n",
		"-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n-----END A-----\n",
		"-----BEGIN A-----\n-----END A-----\n",
		"-----BEGIN A-----\n  A Q\tI\nD  \n\n-----END A-----\n",
		"-----BEGIN A-----\nAQID\n-----END A-----",
		"-----BEGIN A-----\nAQID\n-----END A----- \t\n",
		"-----BEGIN A-----\nAQID\n-----END A----- more\n",
		"-----BEGIN A----- \nAQID\n-----END A-----\n",
		"-----BEGIN A----\nAQID\n-----END A-----\n",
		"# text -----BEGIN A----- text\n",
		"text\n",
		"\n",
		"",
	}
	var rows []row
	for _, first := range parts {
		for _, second := range parts {
			for _, third := range []string{"", a} {
				rows = append(rows, read(first+second+third))
			}
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	seen := map[string]bool{}
	os.Stdout.WriteString("[")
	for i, row := range rows {
		if seen[row.Text] {
			continue
		}
		seen[row.Text] = true
		if i > 0 {
			os.Stdout.WriteString(",")
		}
		out.Encode(row)
	}
	os.Stdout.WriteString("]\n")
}

func read(text string) row {
	row := row{Text: text, Blocks: []block{}}
	rest := []byte(text)
	for {
		var found *pem.Block
		found, rest = pem.Decode(rest)
		if found == nil {
			break
		}
		row.Blocks = append(row.Blocks, block{strings.ToValidUTF8(found.Type, "?"), hex.EncodeToString(found.Bytes)})
	}
	return row
}
