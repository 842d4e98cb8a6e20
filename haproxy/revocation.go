package haproxy

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"slices"

	"thalassa/statsock"
)

// areRevocationsOf reports whether HAProxy shows the revocation lists of a text in PEM. It
// shows no more than fits into its buffer, so that the certificates of a long list are not
// all there.
func areRevocationsOf(loaded statsock.LoadedRevocations, text []byte) bool {
	type life struct{ from, until int64 }
	lives, revoked := map[life]int{}, map[string]bool{}
	count := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		l, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return false
		}
		lives[life{l.ThisUpdate.Unix(), l.NextUpdate.Unix()}]++
		for _, e := range l.RevokedCertificateEntries {
			revoked[e.SerialNumber.Text(16)] = true
			count++
		}
	}
	shown := map[life]int{}
	for _, l := range loaded.Lists {
		shown[life{l.ThisUpdate.Unix(), l.NextUpdate.Unix()}]++
	}
	for l, n := range shown {
		if n > lives[l] {
			return false
		}
	}
	if len(shown) == 0 || slices.ContainsFunc(loaded.Revoked, func(serial string) bool { return !revoked[serial] }) {
		return false
	}
	return loaded.IsCut || maps.Equal(shown, lives) && len(loaded.Revoked) == count
}
