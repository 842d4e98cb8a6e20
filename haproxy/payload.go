package haproxy

import (
	"encoding/pem"
	"fmt"
	"strings"

	"thalassa/lb"
	"thalassa/statsock"
)

// HAProxy takes a limited text with a command, and collects the parts of a file until the
// change is committed: the chain and the key of a certificate ("set ssl cert FILE.key"), and
// the certificates of authorities ("add ssl ca-file", since 2.7). A chain alone, and a file
// with revocation lists, cannot be divided.

// A payload is a command with its text.
type payload struct{ command, text string }

// partsOf are the commands that give HAProxy the content of a file, before it is committed.
func partsOf(f ServedFile, path string, text []byte) ([]payload, error) {
	whole := payload{"set ssl " + f.Kind + " " + path, string(text)}
	if whole.fits() {
		return []payload{whole}, nil
	}
	var parts []payload
	switch f.Kind {
	case lb.KindCert:
		chain, key := divide(text, func(kind string) bool { return kind == "CERTIFICATE" })
		parts = []payload{{whole.command, chain}, {whole.command + ".key", key}}
	case lb.KindCAFile:
		parts = someAtATime(whole.command, "add ssl ca-file "+path, text)
	default:
		parts = []payload{whole}
	}
	for _, p := range parts {
		if !p.fits() {
			return nil, &CertificatesError{fmt.Sprintf("%s has %d bytes, and it takes %d at a time", f.Role, len(p.text), statsock.MaxPayload(p.command))}
		}
	}
	return parts, nil
}

func (p payload) fits() bool { return len(p.text) <= statsock.MaxPayload(p.command) }

// divide are the blocks of a text in PEM of some types, and the others.
func divide(text []byte, is func(kind string) bool) (some, others string) {
	var a, b strings.Builder
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		to := &b
		if is(block.Type) {
			to = &a
		}
		to.Write(pem.EncodeToMemory(block))
	}
	return a.String(), b.String()
}

// someAtATime are the blocks of a text in PEM in as few commands as possible.
func someAtATime(first, next string, text []byte) []payload {
	parts := []payload{{command: first}}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		one := string(pem.EncodeToMemory(block))
		last := &parts[len(parts)-1]
		longer := payload{last.command, last.text + one}
		if last.text == "" || longer.fits() {
			*last = longer
			continue
		}
		parts = append(parts, payload{next, one})
	}
	return parts
}
