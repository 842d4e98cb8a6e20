package certs

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"strconv"
	"time"

	"thalassa/lb"
)

// A Bundle is a checked certificate, with the texts that HAProxy loads.
type Bundle struct {
	Certificate lb.Certificate
	// Files are the texts of Certificate.Files by digest: the chain, then the key. They
	// contain the private keys.
	Files map[string][]byte
	// Warnings are sentences, e.g. that the certificate expires soon.
	Warnings []string
}

// An Upload is what somebody wants to store under a name.
type Upload struct {
	// Chain has certificates in PEM, in any order, and may have the keys. Key has the
	// private keys in PEM; it may be empty if Chain has them, or for authorities.
	Chain, Key []byte
	// CRL are the revocation lists of authorities in PEM, which may be in Chain as well. Empty:
	// there are none.
	CRL []byte
	// NoCRL says that there are to be none where there were some.
	NoCRL bool
	// MissingIssuer allows a certificate without its issuer even if the issuer is not a known
	// authority.
	MissingIssuer bool
}

// Rules are the conditions for checking an Upload.
type Rules struct {
	Now time.Time
	// Known are authorities that clients trust; nil: none.
	Known []*x509.CertPool
}

// Parse checks an upload: that each key has its certificate, that each chain is complete
// and valid at Now, and that no key or signature is weak. Chains are put in order. Without
// a key, all certificates must be those of authorities.
//
// The error is an *lb.InvalidError for the fields chain and key.
func (r Rules) Parse(name lb.Name, u Upload) (Bundle, error) {
	var fe lb.FieldErrors
	var p parts
	p.read(&fe, "chain", u.Chain)
	if len(u.Key) > 0 {
		p.read(&fe, "key", u.Key)
	}
	if len(u.CRL) > 0 {
		r.readLists(&fe, &p, u.CRL)
	}
	if len(p.certificates) == 0 && fe.Err() == nil {
		fe.Add("chain", "has no certificate", "a certificate in PEM")
	}
	if fe.Err() != nil {
		return Bundle{}, fe.Err()
	}
	b := Bundle{Certificate: lb.Certificate{Key: name}, Files: map[string][]byte{}}
	if len(p.keys) == 0 {
		r.addAuthorities(&fe, &b, p.certificates)
		r.addLists(&fe, &b, p.certificates, p.lists)
	} else {
		if len(p.lists) > 0 {
			fe.Add("crl", "belongs to a certificate with a key", "revocation lists with the authority that has signed them")
		}
		r.addPairs(&fe, &b, p, u.MissingIssuer)
	}
	if fe.Err() != nil {
		return Bundle{}, fe.Err()
	}
	if warning := b.Certificate.ExpiryWarning(r.Now); warning != "" {
		b.Warnings = []string{warning}
	}
	return b, nil
}

// addPairs adds a file for each key.
func (r Rules) addPairs(fe *lb.FieldErrors, b *Bundle, p parts, missingIssuer bool) {
	used := map[*x509.Certificate]bool{}
	for i, key := range p.keys {
		leaf := leafOf(p.certificates, key)
		if leaf == nil {
			fe.Add("key", "key "+strconv.Itoa(i+1)+" belongs to none of the certificates", "the private key of "+subjects(p.certificates))
			continue
		}
		chain := chainOf(leaf, p.certificates)
		for _, c := range chain {
			used[c] = true
		}
		r.checkPair(fe, chain, missingIssuer)
		text, err := pairText(chain, key)
		if err != nil {
			fe.Add("key", "key "+strconv.Itoa(i+1)+" cannot be encoded", "")
			continue
		}
		b.add(text, keyType(leaf.PublicKey), chain)
	}
	for _, c := range p.certificates {
		if !used[c] {
			fe.Add("chain", shownSubject(c)+" belongs to no key and issues none of the certificates", "only certificates of the chains")
		}
	}
	slices.SortFunc(b.Certificate.Files, func(a, b lb.PEMFile) int { return cmp.Compare(a.KeyType, b.KeyType) })
	for i, f := range b.Certificate.Files {
		if i > 0 && f.KeyType == b.Certificate.Files[i-1].KeyType {
			fe.Add("key", "there are two keys of type "+f.KeyType, "one key of each type")
		}
	}
}

// addAuthorities adds one file with all certificates.
func (r Rules) addAuthorities(fe *lb.FieldErrors, b *Bundle, list []*x509.Certificate) {
	b.Certificate.Authority = true
	for _, c := range list {
		if !isAuthority(c) {
			fe.Add("key", "is missing: "+shownSubject(c)+" is not the certificate of an authority", "its private key in PEM")
			return
		}
		r.checkOne(fe, c)
	}
	b.add(chainText(list), "", list)
}

func (b *Bundle) add(text []byte, keyType string, chain []*x509.Certificate) {
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	f := lb.PEMFile{Digest: digest, KeyType: keyType, Chain: make([]lb.X509, len(chain))}
	for i, c := range chain {
		f.Chain[i] = describe(c)
	}
	b.Certificate.Files = append(b.Certificate.Files, f)
	b.Files[digest] = text
}

// leafOf is the certificate of a key; nil: there is none. Of several the one that ends
// last.
func leafOf(list []*x509.Certificate, key crypto.Signer) *x509.Certificate {
	var leaf *x509.Certificate
	for _, c := range list {
		if samePublicKey(c.PublicKey, key.Public()) && (leaf == nil || c.NotAfter.After(leaf.NotAfter)) {
			leaf = c
		}
	}
	return leaf
}

// chainOf puts the issuers of a certificate behind it, as far as the list has them.
func chainOf(leaf *x509.Certificate, list []*x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	for last := leaf; !isSelfIssued(last); {
		i := slices.IndexFunc(list, func(c *x509.Certificate) bool { return !slices.Contains(chain, c) && issued(c, last) })
		if i < 0 {
			break
		}
		last = list[i]
		chain = append(chain, last)
	}
	return chain
}

// issued reports whether parent has signed c. A signature by an algorithm that Go does not
// accept counts by names and key ids, so that checkOne can tell why it is refused.
func issued(parent, c *x509.Certificate) bool {
	if !bytes.Equal(parent.RawSubject, c.RawIssuer) {
		return false
	}
	if isWeakSignature(c) {
		return len(c.AuthorityKeyId) == 0 || len(parent.SubjectKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, parent.SubjectKeyId)
	}
	return parent.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func isSelfIssued(c *x509.Certificate) bool { return issued(c, c) }

// isAuthority reports whether a certificate may issue others. Old roots do not say so.
func isAuthority(c *x509.Certificate) bool {
	return c.IsCA || !c.BasicConstraintsValid && c.Version < 3 && isSelfIssued(c)
}

func chainText(chain []*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, c := range chain {
		_ = pem.Encode(&out, &pem.Block{Type: certificateBlock, Bytes: c.Raw}) // to memory
	}
	return out.Bytes()
}

func pairText(chain []*x509.Certificate, key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(chainText(chain), pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der})...), nil
}
