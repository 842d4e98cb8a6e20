package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"slices"
	"time"

	"thalassa/lb"
)

// listBlock is the type of a block in PEM with a certificate revocation list (RFC 7468, 6).
const listBlock = "X509 CRL"

// addLists adds the revocation lists of authorities, in the order of these. OpenSSL refuses a
// client unless there is a valid list of each authority in its chain (X509_V_FLAG_CRL_CHECK_ALL),
// so each needs one.
func (r Rules) addLists(fe *lb.FieldErrors, b *Bundle, authorities []*x509.Certificate, lists []*x509.RevocationList) {
	if len(lists) == 0 {
		return
	}
	var sorted []*x509.RevocationList
	for _, authority := range authorities {
		i := slices.IndexFunc(lists, func(l *x509.RevocationList) bool { return l.CheckSignatureFrom(authority) == nil })
		switch {
		case i < 0 && !mayList(authority):
			fe.Add("chain", shownSubject(authority)+" may not sign revocation lists", "an authority with the key usage cRLSign")
		case i < 0:
			fe.Add("crl", "has no list of "+shownSubject(authority)+", and no client of it would be let in", "a list of each authority")
		case !slices.Contains(sorted, lists[i]):
			sorted = append(sorted, lists[i])
		}
	}
	for _, l := range lists {
		r.checkList(fe, l, slices.Contains(sorted, l), authorities)
	}
	if fe.Err() != nil {
		return
	}
	text := listText(sorted)
	sum := sha256.Sum256(text)
	crl := &lb.CRL{Digest: hex.EncodeToString(sum[:]), Lists: make([]lb.RevocationList, len(sorted))}
	for i, l := range sorted {
		crl.Lists[i] = describeList(l)
	}
	b.Certificate.CRL, b.Files[crl.Digest] = crl, text
}

// mayList reports whether an authority may sign revocation lists.
func mayList(c *x509.Certificate) bool {
	return c.KeyUsage == 0 || c.KeyUsage&x509.KeyUsageCRLSign != 0
}

func (r Rules) checkList(fe *lb.FieldErrors, l *x509.RevocationList, isUsed bool, authorities []*x509.Certificate) {
	name := "the list of " + shownName(l.Issuer.String())
	signed := slices.ContainsFunc(authorities, func(c *x509.Certificate) bool { return l.CheckSignatureFrom(c) == nil })
	switch {
	case !signed:
		fe.Add("crl", name+" is signed by none of the authorities", "lists of "+subjects(authorities)+", with SHA-256 or better")
		return
	case !isUsed:
		fe.Add("crl", name+" is not the only one", "one list of each authority")
	case l.NextUpdate.IsZero():
		fe.Add("crl", name+" does not say until when it is valid", "a list with nextUpdate")
	case r.Now.After(l.NextUpdate):
		fe.Add("crl", name+" expired on "+l.NextUpdate.UTC().Format(time.RFC3339), "a list that is valid now")
	case r.Now.Before(l.ThisUpdate):
		fe.Add("crl", name+" is not valid before "+l.ThisUpdate.UTC().Format(time.RFC3339), "a list that is valid now")
	}
	for _, e := range l.Extensions {
		delta, scope := asn1.ObjectIdentifier{2, 5, 29, 27}, asn1.ObjectIdentifier{2, 5, 29, 28} // RFC 5280, 5.2.4 and 5.2.5
		if e.Id.Equal(delta) || e.Id.Equal(scope) {
			fe.Add("crl", name+" is a part of a list", "a whole list, without deltaCRLIndicator and issuingDistributionPoint")
		}
	}
}

func listText(lists []*x509.RevocationList) []byte {
	var out bytes.Buffer
	for _, l := range lists {
		_ = pem.Encode(&out, &pem.Block{Type: listBlock, Bytes: l.Raw}) // to memory
	}
	return out.Bytes()
}

func describeList(l *x509.RevocationList) lb.RevocationList {
	out := lb.RevocationList{
		Issuer: shownName(l.Issuer.String()), ThisUpdate: l.ThisUpdate.UTC(), NextUpdate: l.NextUpdate.UTC(), Revoked: len(l.RevokedCertificateEntries),
	}
	if l.Number != nil {
		out.Number = l.Number.String()
	}
	return out
}

// readLists reads a text that has revocation lists alone.
func (Rules) readLists(fe *lb.FieldErrors, p *parts, text []byte) {
	certificates, keys := len(p.certificates), len(p.keys)
	p.read(fe, "crl", text)
	if len(p.certificates) > certificates || len(p.keys) > keys {
		fe.Add("crl", "has other blocks than revocation lists", "-----BEGIN "+listBlock+"----- …")
	}
	if len(p.lists) == 0 && fe.Err() == nil {
		fe.Add("crl", "has no revocation list", "-----BEGIN "+listBlock+"----- …")
	}
}

// addList adds a revocation list of a block.
func (p *parts) addList(der []byte) error {
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		return errors.New("is not a revocation list: " + err.Error())
	}
	for _, there := range p.lists {
		if bytes.Equal(there.Raw, l.Raw) {
			return nil
		}
	}
	p.lists = append(p.lists, l)
	return nil
}
