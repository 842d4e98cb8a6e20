package haproxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"thalassa/internal/safefile"
	"thalassa/lb"
	"thalassa/statsock"
)

// HAProxy loads the OCSP response of a certificate from a file beside it (configuration
// manual, "crt"), and takes another one while it runs (management guide, "set ssl cert"; the
// name tells what the text is). It forgets the response with each new certificate.

// ocspSuffix is that of a file with an OCSP response in DER.
const ocspSuffix = ".ocsp"

// maxStaple bounds an OCSP response in bytes.
const maxStaple = 64 << 10

// A Staple is an OCSP response for a certificate that HAProxy has loaded.
type Staple struct {
	// Name and Role are those of the certificate's file, a lb.TLSFile.
	Name, Role string
	KeyType    string // of lb.PEMFile
	Response   []byte // in DER
	// Handshake is for a client that gets the certificate, which alone is Expected.
	Handshake Handshake
}

// Staple puts an OCSP response beside the certificate, gives it to the running HAProxy, and
// returns when a client has got it. A client that gets another certificate, as one with two
// keys has, shows nothing.
func (c *Certificates) Staple(ctx context.Context, s Staple) error {
	if len(s.Response) == 0 || len(s.Response) > maxStaple {
		return fmt.Errorf("stapling an OCSP response: it has %d bytes, expected 1 to %d", len(s.Response), maxStaple)
	}
	path := filepath.Join(c.files.dir(), s.Name)
	if !c.files.cfg.disk.hasContent(path+ocspSuffix, s.Response) {
		if err := c.files.write(path+ocspSuffix, s.Response); err != nil {
			return fmt.Errorf("writing an OCSP response for haproxy: %w", err)
		}
	}
	if got, err := s.try(ctx); err == nil && bytes.Equal(got, s.Response) {
		return nil
	}
	err := c.runtime.onWorker(ctx, func(session *statsock.Session) error {
		v := &serving{session: session, files: c.files, dir: c.files.dir()}
		if err := v.read(ctx); err != nil {
			return err
		}
		return v.staple(ctx, s)
	})
	if err != nil {
		return fmt.Errorf("stapling an OCSP response: %w", err)
	}
	return s.check(ctx)
}

// Stapled is the OCSP response beside a certificate's file, in DER; fs.ErrNotExist: there is
// none.
func (c *Certificates) Stapled(name string) ([]byte, error) {
	return tell(c.files.cfg.disk, c.files.dir(), func(func() bool) ([]byte, error) { return c.files.stapled(name) })
}

func (c *certificateFiles) stapled(name string) ([]byte, error) {
	return safefile.Read(filepath.Join(c.dir(), name+ocspSuffix), maxStaple)
}

// staple gives the worker a response.
func (v *serving) staple(ctx context.Context, s Staple) error {
	path, isLoaded := v.loaded[lb.KindCert][s.Role]
	if !isLoaded {
		return errors.New("haproxy has not loaded the certificate yet")
	}
	said, err := v.session.Pay(ctx, "set ssl cert "+path+ocspSuffix, stapleText(s.Response))
	if err != nil {
		return err
	}
	if !strings.Contains(said, "ransaction ") {
		return v.refused(ctx, ServedFile{Role: s.Role, Kind: lb.KindCert}, path, false, said)
	}
	if err := v.command(ctx, "Success!", "commit ssl cert "+path); err != nil {
		return v.refused(ctx, ServedFile{Role: s.Role, Kind: lb.KindCert}, path, false, err.Error())
	}
	return nil
}

// setStaple has a certificate that is about to be committed come with its response, if there
// is one. Without it clients would get none until it is renewed.
func (v *serving) setStaple(ctx context.Context, f ServedFile, path string) error {
	if f.Kind != lb.KindCert {
		return nil
	}
	der, err := v.files.stapled(f.Name)
	if err != nil {
		return nil //nolint:nilerr // there is none
	}
	_, err = v.session.Pay(ctx, "set ssl cert "+path+ocspSuffix, stapleText(der))
	return err // one that HAProxy refuses leaves the certificate as it is
}

// stapleText is a response as a text for the stats socket.
func stapleText(der []byte) string {
	const width = 76
	text := base64.StdEncoding.EncodeToString(der)
	var out strings.Builder
	for ; len(text) > width; text = text[width:] {
		out.WriteString(text[:width] + "\n")
	}
	return out.String() + text
}

// check waits until a client gets the response. One that gets another certificate, or no
// connection, shows nothing.
func (s Staple) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	var got []byte
	var err error
	wait := poll(ctx, func() (bool, error) {
		got, err = s.try(ctx)
		return err != nil || bytes.Equal(got, s.Response), nil //nolint:nilerr // it ends the wait, and is looked at below
	})
	switch {
	case err != nil || wait == nil:
		return nil
	case len(got) == 0:
		return fmt.Errorf("haproxy staples no OCSP response at %s", s.Handshake.Bind)
	}
	return fmt.Errorf("haproxy staples another OCSP response at %s", s.Handshake.Bind)
}

// try is the response that a client of the certificate gets. An error says that this cannot be
// told.
func (s Staple) try(ctx context.Context) ([]byte, error) {
	config := &tls.Config{ServerName: s.Handshake.ServerName, CipherSuites: suitesOf(s.KeyType)}
	if config.CipherSuites != nil {
		config.MaxVersion = tls.VersionTLS12 // the suite chooses the key there
	}
	var leaf string
	var staple []byte
	config.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		sum := sha256.Sum256(raw[0])
		leaf = hex.EncodeToString(sum[:])
		return nil
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		staple = state.OCSPResponse
		return nil
	}
	err := s.Handshake.shake(ctx, config)
	if leaf == "" || len(s.Handshake.Expected) != 1 || leaf != s.Handshake.Expected[0] {
		return nil, errors.Join(errors.New("the client gets another certificate"), err)
	}
	return staple, nil // a client that has no certificate of its own gets this as well
}

// suitesOf are the cipher suites of TLS 1.2 for a certificate with that type of key; nil: all.
func suitesOf(keyType string) []uint16 {
	switch keyType {
	case "RSA":
		return []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}
	case "ECDSA":
		return []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
	}
	return nil
}

// removeStaple removes the response beside a certificate that is removed.
func removeStaple(dir, name string) {
	_ = os.Remove(filepath.Join(dir, name+ocspSuffix)) // most have none
}
