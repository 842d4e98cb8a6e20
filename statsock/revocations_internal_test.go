package statsock

import (
	"strings"
	"testing"
	"time"
)

func TestParseRevocations(t *testing.T) {
	t.Parallel()
	const text = `Filename: /etc/haproxy/corp.crl.pem
Status: Used
 
Certificate Revocation List #2:
Version 2
Signature Algorithm: ecdsa-with-SHA256
Issuer: /CN=authority
Last Update: Nov  9 13:01:02 2026 GMT
Next Update: Nov 29 14:01:02 2026 GMT
Revoked Certificates:
    Serial Number: 0A1B
        Revocation Date: Nov 29 13:01:02 2026 GMT
    Serial Number: FF
        Revocation Date: Nov 29 13:01:02 2026 GMT
 
Certificate Revocation List #3:
Last Update: Nov 29 13:01:02 2026 GMT
Next Update: Nov 30 14:01:02 2026 GMT
No Revoked Certificates.
`
	got := parseRevocations(text)
	if len(got.Lists) != 2 || !got.Lists[0].ThisUpdate.Equal(time.Date(2026, 11, 9, 13, 1, 2, 0, time.UTC)) || !got.Lists[1].NextUpdate.Equal(time.Date(2026, 11, 30, 14, 1, 2, 0, time.UTC)) {
		t.Errorf("got %v", got.Lists)
	}
	if strings.Join(got.Revoked, " ") != "a1b ff" || got.IsCut {
		t.Errorf("got %v, cut %v", got.Revoked, got.IsCut)
	}
	// What is at the end of a full buffer may be a part of a number.
	cut := parseRevocations(strings.Repeat("    Serial Number: 0A1B\n", cutAt/24) + strings.Repeat(" ", 24) + "\n    Serial Number: 0A")
	if !cut.IsCut || cut.Revoked[len(cut.Revoked)-1] != "a1b" {
		t.Errorf("got %v, cut %v", cut.Revoked[len(cut.Revoked)-1], cut.IsCut)
	}
}
