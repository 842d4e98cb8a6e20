package clusters

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"thalassa/client"
	"thalassa/internal/safefile"
	"thalassa/lb"
)

const (
	maxClusters  = 32
	maxAddresses = 16 // of one

	maxTokenFile = 4 << 10
	maxPEMFile   = 1 << 20
)

// An Entry is a cluster as the settings have it.
type Entry struct {
	Name string `json:"name" yaml:"name"`
	// Addresses are those of the agents on its nodes: https URLs without a path.
	Addresses []string `json:"addresses" yaml:"addresses"`
	// TokenFile has the token that its agents know, CertFile and KeyFile a certificate that they
	// know; empty: none.
	TokenFile string `json:"tokenFile,omitempty" yaml:"tokenFile"`
	CertFile  string `json:"certFile,omitempty"  yaml:"certFile"`
	KeyFile   string `json:"keyFile,omitempty"   yaml:"keyFile"`
	// CAFile has the CAs that sign the certificates of its agents, in PEM; empty: those of the
	// system. Fingerprints are the SHA-256 of the only certificates, or public keys, that they may
	// have; empty: the CAs decide.
	CAFile       string   `json:"caFile,omitempty"       yaml:"caFile"`
	Fingerprints []string `json:"fingerprints,omitempty" yaml:"fingerprints"`
}

// Files are the files with secrets that an entry names.
func (e Entry) Files() []string {
	return slices.DeleteFunc([]string{e.TokenFile, e.KeyFile}, func(path string) bool { return path == "" })
}

// A Source is a cluster that can be asked. Make it with Load. It is immutable.
type Source struct {
	entry Entry
	roots []byte // PEM; nil: the CAs of the system
	// fault says why the file of the CAs cannot be used: nobody is asked then. Nil: it can.
	fault error
}

// same reports whether two sources are asked in the same way.
func (s Source) same(o Source) bool {
	return reflect.DeepEqual(s.entry, o.entry) && bytes.Equal(s.roots, o.roots) && causeText(s.fault) == causeText(o.fault)
}

// Check finds mistakes in entries without reading files. The error joins those of all entries;
// each names its entry and field.
func Check(entries []Entry) error {
	if len(entries) > maxClusters {
		return fmt.Errorf("has %d entries, expected at most %d", len(entries), maxClusters)
	}
	var problems []error
	seen := map[string]bool{}
	for i, e := range entries {
		_, err := e.parse()
		if err == nil && seen[e.Name] {
			err = errors.New("name: is set twice")
		}
		seen[e.Name] = true
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", cmp.Or(e.Name, "["+strconv.Itoa(i)+"]"), err))
		}
	}
	return errors.Join(problems...)
}

// causeText is what the log says of an error; empty: there is none.
func causeText(err error) string {
	if err == nil {
		return ""
	}
	return causeOf(err).Error()
}

// Load makes sources of entries, and reads the files of CAs. The error is that of Check. A source
// whose file cannot be used is unreachable, and its Verify says why.
func Load(entries []Entry) ([]Source, error) {
	if err := Check(entries); err != nil {
		return nil, err
	}
	out := make([]Source, 0, len(entries))
	for _, e := range entries {
		parsed, err := e.parse()
		if err != nil {
			return nil, err // never: Check has parsed it
		}
		s := Source{entry: parsed}
		if e.CAFile != "" {
			s.roots, s.fault = readRoots(e.CAFile)
		}
		out = append(out, s)
	}
	return out, nil
}

// readRoots reads CAs. The error is a fileError.
func readRoots(path string) ([]byte, error) {
	roots, err := safefile.Read(path, maxPEMFile)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(roots) {
		err = fmt.Errorf("%s has no certificate in PEM form", path)
	}
	if err != nil {
		return nil, fileError{"caFile", err}
	}
	return roots, nil
}

// parse checks an entry, and gives it its canonical form.
func (e Entry) parse() (Entry, error) {
	if _, err := lb.ParseName(e.Name); err != nil {
		return e, fmt.Errorf("name: %w", err)
	}
	if len(e.Addresses) == 0 || len(e.Addresses) > maxAddresses {
		return e, fmt.Errorf("addresses: has %d, expected 1 to %d", len(e.Addresses), maxAddresses)
	}
	var err error
	addresses := make([]string, len(e.Addresses))
	for i, text := range e.Addresses {
		if addresses[i], err = parseAddress(text); err != nil {
			return e, fmt.Errorf("addresses: %w", err)
		}
		if slices.Contains(addresses[:i], addresses[i]) {
			return e, fmt.Errorf("addresses: %s is there twice", addresses[i])
		}
	}
	e.Addresses = addresses
	switch {
	case (e.CertFile == "") != (e.KeyFile == ""):
		return e, errors.New("certFile, keyFile: one needs the other")
	case e.CAFile != "" && len(e.Fingerprints) > 0:
		return e, errors.New("caFile, fingerprints: expected one of them")
	}
	prints := make([]string, len(e.Fingerprints))
	for i, text := range e.Fingerprints {
		if prints[i], err = parseFingerprint(text); err != nil {
			return e, fmt.Errorf("fingerprints: %w", err)
		}
	}
	e.Fingerprints = slices.Clip(prints)
	if len(prints) == 0 {
		e.Fingerprints = nil
	}
	return e, nil
}

// parseAddress accepts https://HOST[:PORT]. The error does not repeat a password.
func parseAddress(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		shown := "the address of a node"
		if err == nil && u.User == nil {
			shown = strconv.Quote(text)
		}
		return "", fmt.Errorf("%s is not valid, expected one such as https://lb1.example:10000", shown)
	}
	if _, err := lb.ParseHost(u.Hostname()); err != nil {
		return "", err
	}
	if port, err := strconv.ParseUint(cmp.Or(u.Port(), "443"), 10, 16); err != nil || port == 0 {
		return "", fmt.Errorf("%q has no port, expected one such as https://lb1.example:10000", text)
	}
	return "https://" + strings.ToLower(u.Host), nil
}

var isFingerprint = regexp.MustCompile(`^[0-9A-F]{2}(:?[0-9A-F]{2}){31}$`)

// parseFingerprint accepts a SHA-256 with or without colons, and gives it the form of
// listen.Fingerprint.
func parseFingerprint(text string) (string, error) {
	upper := strings.ToUpper(strings.TrimSpace(text))
	if !isFingerprint.MatchString(upper) {
		return "", fmt.Errorf("%q is not a SHA-256, expected 64 hexadecimal digits, with or without colons", text)
	}
	digits := strings.ReplaceAll(upper, ":", "")
	pairs := make([]string, 0, 32)
	for i := 0; i < len(digits); i += 2 {
		pairs = append(pairs, digits[i:i+2])
	}
	return strings.Join(pairs, ":"), nil
}

// client is a client of the agent at an address.
func (s Source) client(address string) (*client.Client, error) {
	cfg := client.Config{Address: address, Timeout: askTimeout, Pins: s.entry.Fingerprints}
	if s.roots != nil {
		cfg.RootCAs = x509.NewCertPool()
		cfg.RootCAs.AppendCertsFromPEM(s.roots)
	}
	if s.entry.CertFile != "" {
		cfg.Certificate = func() (*tls.Certificate, error) { return readPair(s.entry.CertFile, s.entry.KeyFile) }
	}
	return client.New(cfg)
}

// fileError says that a file of the settings cannot be used. Its text names no path: callers see it.
type fileError struct {
	setting string
	err     error // for the log
}

// Error is a sentence for callers.
func (e fileError) Error() string {
	return "the agent cannot use its " + e.setting + " of this cluster; its log says why"
}

// Unwrap is the cause.
func (e fileError) Unwrap() error { return e.err }

// token is what the token file has now; empty: there is none.
func (s Source) token() (string, error) {
	if s.entry.TokenFile == "" {
		return "", nil
	}
	data, err := safefile.Read(s.entry.TokenFile, maxTokenFile)
	if err != nil {
		return "", fileError{"tokenFile", err}
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fileError{"tokenFile", fmt.Errorf("%s has no token, expected one line of printable characters without spaces", s.entry.TokenFile)}
	}
	return token, nil
}

// Verify reads the files of the token, the certificate and its key, and says whether that of the
// CAs could be read. The error names the cluster and the file.
func (s Source) Verify() error {
	err := s.fault
	if err == nil {
		_, err = s.token()
	}
	if err == nil && s.entry.CertFile != "" {
		_, err = readPair(s.entry.CertFile, s.entry.KeyFile)
	}
	if own, ok := errors.AsType[fileError](err); ok {
		return fmt.Errorf("clusters: %s: %s: %w", s.entry.Name, own.setting, own.err)
	}
	return err
}

// readPair reads a certificate with its key.
func readPair(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := safefile.Read(certFile, maxPEMFile)
	if err != nil {
		return nil, fileError{"certFile", err}
	}
	key, err := safefile.Read(keyFile, maxPEMFile)
	if err != nil {
		return nil, fileError{"keyFile", err}
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fileError{"certFile", err}
	}
	return &pair, nil
}
