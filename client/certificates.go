package client

import (
	"context"
	"net/http"

	"thalassa/api/node"
)

// A StoredCertificate is what is stored under a name, without keys.
type StoredCertificate = node.Certificate

// An Upload is a certificate to store, in PEM.
type Upload struct {
	Chain string `json:"chain,omitempty"` // may have the key; empty: that of the stored authority, with CRL
	Key   string `json:"key,omitempty"`   // may be in Chain; none of authorities
	// CRL are the revocation lists of authorities; nil: there are none, nor were there any.
	// Empty: those that there were are removed.
	CRL *string `json:"crl,omitempty"`
	// AllowMissingIssuer stores a certificate without the certificate that issued it.
	AllowMissingIssuer bool `json:"allowMissingIssuer,omitempty"`
}

// An Order is a certificate to order by ACME. Empty fields stand for the default.
type Order struct {
	Domains     []string `json:"domains"`
	Challenge   string   `json:"challenge,omitempty"`   // "http-01" or "dns-01"
	Directory   string   `json:"directory,omitempty"`   // URL of the server's directory
	DirectoryCA string   `json:"directoryCA,omitempty"` // in PEM
	Email       string   `json:"email,omitempty"`
	KeyType     string   `json:"keyType,omitempty"` // as lb.KeyTypes has them
}

// Certificates show and change stored certificates.
type Certificates struct{ client *Client }

// NewCertificates are those of an agent.
func NewCertificates(c *Client) Certificates { return Certificates{c} }

// List lists all certificates, by key.
func (c Certificates) List(ctx context.Context) ([]StoredCertificate, error) {
	var list []StoredCertificate
	_, err := c.client.transport.get(ctx, "/certificates", &list)
	return list, err
}

// Get looks up a certificate.
func (c Certificates) Get(ctx context.Context, key string) (StoredCertificate, error) {
	var out StoredCertificate
	_, err := c.client.transport.get(ctx, object("certificates", key), &out)
	return out, err
}

// Put creates or replaces a certificate.
func (c Certificates) Put(ctx context.Context, key string, upload Upload, conditions ...Condition) (StoredCertificate, Applied, error) {
	var out StoredCertificate
	applied, _, err := c.client.transport.change(ctx, call{method: http.MethodPut, path: object("certificates", key), body: upload, conditions: conditions}, &out)
	return out, applied, err
}

// Order orders a certificate by ACME. It returns before the certificate is issued; Get shows the
// progress.
func (c Certificates) Order(ctx context.Context, key string, order Order, conditions ...Condition) (StoredCertificate, Applied, error) {
	var out StoredCertificate
	body := struct {
		ACME Order `json:"acme"`
	}{order}
	applied, _, err := c.client.transport.change(ctx, call{method: http.MethodPut, path: object("certificates", key), body: body, conditions: conditions}, &out)
	return out, applied, err
}

// Renew orders a certificate again now. The code of the error is "conflict" if the certificate is
// not ordered by ACME, or the server accepts no request yet.
func (c Certificates) Renew(ctx context.Context, key string) (StoredCertificate, error) {
	var out StoredCertificate
	got, err := c.client.transport.do(ctx, call{method: http.MethodPost, path: object("certificates", key) + "/renew"})
	if err == nil {
		err = got.decode(&out)
	}
	return out, err
}

// Delete removes a certificate. While something uses it the error's code is "conflict",
// and By names what.
func (c Certificates) Delete(ctx context.Context, key string, conditions ...Condition) (Applied, error) {
	applied, _, err := c.client.transport.change(ctx, call{method: http.MethodDelete, path: object("certificates", key), conditions: conditions}, nil)
	return applied, err
}
