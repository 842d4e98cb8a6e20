package store

import (
	"strconv"
	"time"

	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// certificateDoc is a stored certificate without its keys, which Keys has under the digests
// of the files.
type certificateDoc struct {
	ID        string `json:"id,omitempty"`
	Type      string `json:"_type,omitempty"`
	Key       string `json:"key,omitempty"`
	Authority bool   `json:"authority,omitempty"`
	// Files is empty where ACME is set: an issued certificate is not part of the definition.
	Files []pemFileDoc `json:"files"`
	ACME  *acmeDoc     `json:"acme,omitempty"`
	CRL   *crlDoc      `json:"crl,omitempty"`
}

// crlDoc are the revocation lists of authorities.
type crlDoc struct {
	Digest string              `json:"digest"`
	Lists  []revocationListDoc `json:"lists"`
}

type revocationListDoc struct {
	Issuer     string `json:"issuer"`
	Number     string `json:"number,omitempty"`
	ThisUpdate string `json:"thisUpdate"` // RFC 3339
	NextUpdate string `json:"nextUpdate"`
	Revoked    int    `json:"revoked"`
}

// acmeDoc describes a certificate that the agent orders.
type acmeDoc struct {
	Domains     []string `json:"domains"`
	Challenge   string   `json:"challenge"`
	Directory   string   `json:"directory"`
	DirectoryCA string   `json:"directoryCA,omitempty"`
	Email       string   `json:"email,omitempty"`
	KeyType     string   `json:"keyType"`
}

type pemFileDoc struct {
	Digest  string    `json:"digest"`
	KeyType string    `json:"keyType,omitempty"`
	Chain   []x509Doc `json:"chain"`
}

type x509Doc struct {
	Subject   string   `json:"subject"`
	Issuer    string   `json:"issuer"`
	Names     []string `json:"names,omitempty"`
	Serial    string   `json:"serial"`
	NotBefore string   `json:"notBefore"` // RFC 3339
	NotAfter  string   `json:"notAfter"`
	Algorithm string   `json:"algorithm"`
	SHA256    string   `json:"sha256"`
}

func certificateDocument(c lb.Certificate) certificateDoc {
	doc := certificateDoc{ID: c.ID(), Type: "certificate", Key: string(c.Key), Authority: c.Authority, Files: []pemFileDoc{}}
	if a := c.ACME; a != nil {
		doc.ACME = &acmeDoc{Domains: a.Domains, Challenge: a.Challenge, Directory: a.Directory, DirectoryCA: a.DirectoryCA, Email: a.Email, KeyType: a.KeyType}
		return doc
	}
	if crl := c.CRL; crl != nil {
		doc.CRL = &crlDoc{Digest: crl.Digest, Lists: make([]revocationListDoc, len(crl.Lists))}
		for i, l := range crl.Lists {
			doc.CRL.Lists[i] = revocationListDoc{
				Issuer: l.Issuer, Number: l.Number, Revoked: l.Revoked, ThisUpdate: l.ThisUpdate.Format(time.RFC3339), NextUpdate: l.NextUpdate.Format(time.RFC3339),
			}
		}
	}
	doc.Files = make([]pemFileDoc, len(c.Files))
	for i, f := range c.Files {
		doc.Files[i] = pemFileDoc{Digest: f.Digest, KeyType: f.KeyType, Chain: make([]x509Doc, len(f.Chain))}
		for j, x := range f.Chain {
			doc.Files[i].Chain[j] = x509Doc{
				Subject: x.Subject, Issuer: x.Issuer, Names: x.Names, Serial: x.Serial, Algorithm: x.Algorithm, SHA256: x.SHA256,
				NotBefore: x.NotBefore.Format(time.RFC3339), NotAfter: x.NotAfter.Format(time.RFC3339),
			}
		}
	}
	return doc
}

func decodeCertificate(data []byte) (lb.Certificate, error) {
	var doc certificateDoc
	if err := strictjson.DecodeLenient(data, &doc); err != nil {
		return lb.Certificate{}, err
	}
	var fe lb.FieldErrors
	key := parseIdentity(&fe, "certificate", doc.ID, doc.Type, doc.Key)
	c := lb.Certificate{Key: lb.Name(key), Authority: doc.Authority, Files: make([]lb.PEMFile, len(doc.Files))}
	for i, f := range doc.Files {
		c.Files[i] = lb.PEMFile{Digest: f.Digest, KeyType: f.KeyType, Chain: make([]lb.X509, len(f.Chain))}
		for j, x := range f.Chain {
			path := "files[" + strconv.Itoa(i) + "].chain[" + strconv.Itoa(j) + "]"
			c.Files[i].Chain[j] = lb.X509{
				Subject: x.Subject, Issuer: x.Issuer, Names: x.Names, Serial: x.Serial, Algorithm: x.Algorithm, SHA256: x.SHA256,
				NotBefore: parseDate(&fe, path+".notBefore", x.NotBefore), NotAfter: parseDate(&fe, path+".notAfter", x.NotAfter),
			}
		}
	}
	if a := doc.ACME; a != nil {
		spec := lb.ACMESpec{Domains: a.Domains, Challenge: a.Challenge, Directory: a.Directory, DirectoryCA: a.DirectoryCA, Email: a.Email, KeyType: a.KeyType}
		parsed, err := spec.Parse()
		fe.AddErr("", err)
		c.ACME, c.Files = &parsed, nil
	}
	if doc.CRL != nil {
		c.CRL = doc.CRL.domain(&fe)
	}
	if fe.Err() == nil {
		fe.AddErr("", c.Check())
	}
	return c, fe.Err()
}

func (doc crlDoc) domain(fe *lb.FieldErrors) *lb.CRL {
	crl := &lb.CRL{Digest: doc.Digest, Lists: make([]lb.RevocationList, len(doc.Lists))}
	for i, l := range doc.Lists {
		path := "crl.lists[" + strconv.Itoa(i) + "]"
		crl.Lists[i] = lb.RevocationList{
			Issuer: l.Issuer, Number: l.Number, Revoked: l.Revoked,
			ThisUpdate: parseDate(fe, path+".thisUpdate", l.ThisUpdate), NextUpdate: parseDate(fe, path+".nextUpdate", l.NextUpdate),
		}
	}
	return crl
}

func parseDate(fe *lb.FieldErrors, path, text string) time.Time {
	date, err := time.Parse(time.RFC3339, text)
	if err != nil {
		fe.Add(path, "is no date", "one as in RFC 3339")
	}
	return date.UTC()
}
