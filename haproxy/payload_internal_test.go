package haproxy

import (
	"bytes"
	"encoding/pem"
	"strings"
	"testing"

	"thalassa/lb"
)

func TestPartsOfLargeFiles(t *testing.T) {
	t.Parallel()
	block := func(kind string, size int) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes.Repeat([]byte{1}, size)})
	}
	for name, tt := range map[string]struct {
		kind     string
		text     []byte
		commands string // empty: refused
	}{
		"small":            {lb.KindCert, append(block("CERTIFICATE", 3000), block("PRIVATE KEY", 1000)...), "set ssl cert F"},
		"chain and key":    {lb.KindCert, append(block("CERTIFICATE", 11_500), block("PRIVATE KEY", 1000)...), "set ssl cert F, set ssl cert F.key"},
		"a long chain":     {lb.KindCert, append(block("CERTIFICATE", 13_000), block("PRIVATE KEY", 1000)...), ""},
		"authorities":      {lb.KindCAFile, bytes.Repeat(block("CERTIFICATE", 3000), 9), "set ssl ca-file F, add ssl ca-file F, add ssl ca-file F"},
		"a long list":      {lb.KindCRLFile, block("X509 CRL", 13_000), ""},
		"a long authority": {lb.KindCAFile, block("CERTIFICATE", 13_000), ""},
	} {
		parts, err := partsOf(ServedFile{Role: "shop.0", Kind: tt.kind}, "F", tt.text)
		var commands, texts []string
		for _, p := range parts {
			commands, texts = append(commands, p.command), append(texts, p.text)
		}
		if got := strings.Join(commands, ", "); got != tt.commands || (err != nil) != (tt.commands == "") {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if err == nil && strings.Join(texts, "") != string(tt.text) {
			t.Errorf("%s: the parts are another text", name)
		}
	}
}
