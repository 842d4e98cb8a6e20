package lb

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// HAProxy reads certificates from files in one folder (Process.CertificateDir). Their names
// contain digests of their contents, so that a file never changes, and haproxy.cfg names the
// set that it was made with:
//
//	NAME.NUMBER.DIGEST.pem  a certificate with its chain and key; one file for each of its keys
//	NAME.ca.DIGEST.pem      the certificates of authorities
//	NAME.crl.DIGEST.pem     their revocation lists
//	FRONTEND.DIGEST.list    the certificates of a frontend (crt-list), the default one first
//
// What is before the digest names what the file is for: a worker keeps the names of the files
// that it was started with, while their contents change at run time.

// A TLSFile is a file in Process.CertificateDir.
type TLSFile struct {
	Name string // without the folder
	// Role is the name without the digest, e.g. "shop.0".
	Role string
	// Kind is what HAProxy calls it in commands: KindCert, KindCAFile or KindCRLFile; empty: it
	// is a list.
	Kind string
	// Digest is that of a PEMFile, under which its text is stored; empty: Text is the text.
	Digest string
	Text   []byte
}

// A CertificateList is a crt-list of HAProxy.
type CertificateList struct {
	Frontend Name
	// Entries are the roles of its files, in the order of the lines.
	Entries []string
}

// The kinds of a TLSFile.
const (
	KindCert    = "cert"
	KindCAFile  = "ca-file"
	KindCRLFile = "crl-file"
)

const (
	pemSuffix  = ".pem"
	listSuffix = ".list"
	roleOfCA   = "ca"
	roleOfCRL  = "crl"
	// digestLength is how much of a digest is in a name.
	digestLength = 32
)

// fileWord is a name as a part of a file name: ":" would separate numbers of lines in
// commands of HAProxy. No Name has a "+".
func fileWord(n Name) string { return strings.ReplaceAll(string(n), ":", "+") }

// keyOrder sorts the files of a certificate: clients that do not say what they support get the
// first.
func keyOrder(f PEMFile) int { return slices.Index([]string{"RSA", "ECDSA", "Ed25519"}, f.KeyType) }

// TLSFiles are the files of a certificate, in the order of their numbers; of authorities the
// certificates, then the revocation lists if there are any.
func (c Certificate) TLSFiles() []TLSFile {
	files := c.Files
	if len(files) > 1 { // of thousands of certificates most have one
		files = slices.Clone(files)
		slices.SortStableFunc(files, func(a, b PEMFile) int { return cmp.Compare(keyOrder(a), keyOrder(b)) })
	}
	lists := c.crlFiles()
	out := make([]TLSFile, len(files), len(files)+len(lists))
	for i, f := range files {
		role, kind := strconv.Itoa(i), KindCert
		if c.Authority {
			role, kind = roleOfCA, KindCAFile
		}
		out[i] = pemFile(fileWord(c.Key)+"."+role, f.Digest)
		out[i].Kind = kind
	}
	return append(out, lists...)
}

func pemFile(role, digest string) TLSFile {
	return TLSFile{Name: role + "." + shortDigest(digest) + pemSuffix, Role: role, Digest: digest}
}

func shortDigest(digest string) string { return digest[:min(len(digest), digestLength)] }

// TLSRole is the role of a file by its name; false: it is none of TLSFiles.
func TLSRole(name string) (role string, ok bool) {
	base, isPEM := strings.CutSuffix(name, pemSuffix)
	if !isPEM {
		base, ok = strings.CutSuffix(name, listSuffix)
		if !ok {
			return "", false
		}
	}
	i := strings.LastIndexByte(base, '.')
	if i < 1 || len(base)-i-1 != digestLength || strings.Trim(base[i+1:], "0123456789abcdef") != "" {
		return "", false
	}
	if !isPEM {
		return base[:i] + listSuffix, true
	}
	return base[:i], true
}

// ListRole is the role of the list of a frontend.
func ListRole(frontend Name) string { return fileWord(frontend) + listSuffix }

// Certificate finds a certificate that something in the configuration uses; false: nothing
// does, or it is not available.
func (c Config) Certificate(name Name) (Certificate, bool) {
	i, ok := slices.BinarySearchFunc(c.Certificates, name, func(c Certificate, name Name) int { return cmp.Compare(c.Key, name) })
	if !ok {
		return Certificate{}, false
	}
	return c.Certificates[i], true
}

// usedCertificates are the certificates that objects name, sorted. Those without files are
// not available.
func usedCertificates(in Intent) []Certificate {
	if len(in.Certificates) == 0 {
		return nil // as in most rounds
	}
	used := make(map[Name]Certificate, len(in.Certificates))
	add := func(uses []CertificateUse) {
		for _, use := range uses {
			if c, ok := in.Certificates[use.Name]; ok && len(c.Files) > 0 && c.Authority == use.Authority {
				used[use.Name] = c
			}
		}
	}
	for _, b := range in.Backends {
		add(b.certificateUses())
	}
	for _, f := range in.Frontends {
		add(f.certificateUses())
	}
	return sorted(used)
}

// Reissued is the configuration with the certificates of an intent of the same revision.
func (c Config) Reissued(in Intent) Config {
	c.Certificates = usedCertificates(in)
	return c
}

// HasCertificates reports whether the configuration has the certificates that an intent uses,
// with their contents.
func (c Config) HasCertificates(in Intent) bool {
	return slices.EqualFunc(c.Certificates, usedCertificates(in), func(a, b Certificate) bool {
		return a.isIdentical(b) || a.Key == b.Key && slices.Equal(a.Digests(), b.Digests())
	})
}

// Served are the certificates that clients of a frontend get, the default one first, then in
// the order of their names.
func (c Config) Served(f Frontend) []Certificate {
	if f.TLS == nil {
		return nil
	}
	names := f.TLS.Certificates
	if !slices.IsSorted(names) {
		names = slices.Sorted(slices.Values(names))
	}
	out := make([]Certificate, 0, len(names)+1)
	if cert, ok := c.Certificate(f.TLS.Default); ok {
		out = append(out, cert)
	}
	rest := c.Certificates // sorted as well
	for _, name := range names {
		for len(rest) > 0 && rest[0].Key < name {
			rest = rest[1:]
		}
		if len(rest) > 0 && rest[0].Key == name && name != f.TLS.Default {
			out = append(out, rest[0])
		}
	}
	return out
}

// firstServed is the first of Served; false: there is none.
func (c Config) firstServed(f Frontend) (Certificate, bool) {
	if cert, ok := c.Certificate(f.TLS.Default); ok {
		return cert, true
	}
	served := c.Served(f)
	if len(served) == 0 {
		return Certificate{}, false
	}
	return served[0], true
}

// SpeaksTLS reports whether HAProxy gets the TLS addresses of a frontend. It does not if the
// authority for clients is missing, because HAProxy would accept every client.
func (c Config) SpeaksTLS(f Frontend) bool {
	if f.TLS == nil {
		return false
	}
	_, hasCA := c.Certificate(f.TLS.ClientCA)
	return hasCA || f.TLS.ClientCA == ""
}

// CertificateLists are those of all frontends that speak TLS, in their order.
func (c Config) CertificateLists() []CertificateList {
	var out []CertificateList
	for _, f := range c.Frontends {
		if !c.SpeaksTLS(f) {
			continue
		}
		list := CertificateList{Frontend: f.Key}
		for _, cert := range c.Served(f) {
			for _, file := range cert.TLSFiles() {
				list.Entries = append(list.Entries, file.Role)
			}
		}
		out = append(out, list)
	}
	return out
}

// TLSFiles are all files that haproxy.cfg names in Process.CertificateDir, and those that
// they name.
func (c Config) TLSFiles() []TLSFile {
	var out []TLSFile
	for _, cert := range c.Certificates {
		out = append(out, cert.TLSFiles()...)
	}
	for _, f := range c.Frontends {
		if c.SpeaksTLS(f) {
			out = append(out, c.listFile(f))
		}
	}
	return out
}

// listFile is the list of the certificates of a frontend.
func (c Config) listFile(f Frontend) TLSFile {
	var text strings.Builder
	for _, cert := range c.Served(f) {
		for _, file := range cert.TLSFiles() {
			text.WriteString(c.Process.CertificateDir + "/" + file.Name + "\n")
		}
	}
	sum := sha256.Sum256([]byte(text.String()))
	name := fileWord(f.Key) + "." + shortDigest(hex.EncodeToString(sum[:])) + listSuffix
	return TLSFile{Name: name, Role: ListRole(f.Key), Text: []byte(text.String())}
}

// TLSLines are the lines of haproxy.cfg for a frontend's TLS.
type TLSLines struct {
	Binds []string // what bind lines say after the keyword
	Rules []string // lines for HTTP
}

// TLSLines are the lines for a frontend. quote makes one word of a path. Without names, the digests
// in file names, which change at run time, are left out.
func (c Config) TLSLines(f Frontend, quote func(string) string, names bool) TLSLines {
	if !c.SpeaksTLS(f) {
		return TLSLines{}
	}
	path := func(file TLSFile) string {
		if !names {
			return quote(c.Process.CertificateDir + "/" + file.Role)
		}
		return quote(c.Process.CertificateDir + "/" + file.Name)
	}
	first, isServed := c.firstServed(f)
	list := TLSFile{Role: ListRole(f.Key)}
	switch {
	case names:
		list = c.listFile(f)
	case isServed: // another first one takes a reload
		list.Role += "." + fileWord(first.Key)
	}
	t := f.TLS
	options := []string{
		"ssl crt-list", path(list), "ssl-min-ver TLSv" + t.MinVersion,
		"ciphers", cmp.Or(t.Ciphers, DefaultCiphers), "ciphersuites", cmp.Or(t.CipherSuites, DefaultCipherSuites),
		"no-tls-tickets prefer-client-ciphers",
	}
	if len(t.ALPN) > 0 {
		options = append(options, "alpn", strings.Join(t.ALPN, ","))
	}
	if t.StrictSNI || !isServed || first.Key != t.Default { // a default that is not there is not replaced
		options = append(options, "strict-sni")
	}
	if ca, ok := c.Certificate(t.ClientCA); ok {
		options = append(options, "ca-file", path(ca.TLSFiles()[0]))
		for _, crl := range ca.crlFiles() {
			options = append(options, "crl-file", path(crl))
		}
		options = append(options, "verify", t.ClientVerify)
	}
	var out TLSLines
	for _, b := range t.Binds {
		out.Binds = append(out.Binds, b.String()+" "+strings.Join(options, " "))
	}
	if f.Mode == "http" {
		out.Rules = t.rules()
	}
	return out
}

// rules are the lines for HTTP. The redirect leaves out what ACME servers ask for (RFC 8555,
// 8.3).
func (t *FrontendTLS) rules() []string {
	var out []string
	if t.Redirect && len(t.Binds) > 0 {
		port := ""
		if p := t.Binds[0].Port; p != 443 {
			port = ":" + strconv.Itoa(int(p))
		}
		out = append(out, "http-request redirect prefix https://%[req.hdr(host),host_only]"+port+
			" code 308 if !{ ssl_fc } { req.hdr(host) -m found } !{ path_beg /.well-known/acme-challenge/ }")
	}
	if t.HSTS != "" {
		out = append(out, `http-after-response set-header Strict-Transport-Security "`+t.HSTS+`" if { ssl_fc }`)
	}
	return out
}
