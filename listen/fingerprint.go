package listen

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// Fingerprint is the SHA-256 of der in the form of openssl and of browsers: upper-case
// hexadecimal pairs with colons between them.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}
