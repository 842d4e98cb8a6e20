package node

import "time"

// TLS is the certificate that the API shows to every TLS connection.
type TLS struct {
	// Fingerprint is the SHA-256 of the certificate, and PublicKey that of its public key:
	// 32 pairs of upper-case hexadecimal digits with colons between them.
	Fingerprint string    `json:"fingerprint"`
	PublicKey   string    `json:"publicKey"`
	NotAfter    time.Time `json:"notAfter"`
	Names       []string  `json:"names"` // DNS names, then addresses
	SelfSigned  bool      `json:"selfSigned"`
}
