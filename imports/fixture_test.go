package imports_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"
)

// A site has what the configurations of testdata refer to: files, certificates and servers
// that answer with what they were asked.
type site struct {
	dir  string
	http []string // addresses of servers for HTTP
	tls  string
	tcp  []string
	dns  int
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	for n := range 5 {
		s.http = append(s.http, startHTTP(t, fmt.Sprint("echo", n%4+1), nil))
	}
	for n := range 3 {
		s.tcp = append(s.tcp, startTCP(t, fmt.Sprint("tcp", n+1)))
	}
	authority, key := s.certificate(t, "ca", nil, nil)
	for _, name := range []string{"site", "other"} {
		s.certificate(t, name, authority, key)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(s.dir, "site.pem"), filepath.Join(s.dir, "site.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s.tls = startHTTP(t, "tls", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	s.dns = freePort(t)
	for name, text := range map[string]string{
		"503.http":    "HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\nback soon\n",
		"404.http":    "HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\n\r\npretty\n",
		"hosts.map":   "one.example one\ntwo.example two\n",
		"blocked.lst": "192.0.2.0/24\n2001:db8::/32\n",
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// certificate writes NAME.pem with a certificate for NAME.example, and its key.
func (s *site) certificate(t *testing.T, name string, by *x509.Certificate, byKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name + ".example"}, DNSNames: []string{name + ".example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: by == nil, BasicConstraintsValid: true,
	}
	if by == nil {
		by, byKey = cert, key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	if err := os.WriteFile(filepath.Join(s.dir, name+".pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed, key
}

// startHTTP starts a server that answers with its name and the whole request.
func startHTTP(t *testing.T, name string, config *tls.Config) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("X-Server", name)
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprintf(w, "%s %s %s %s\n", name, r.Method, r.URL, r.Host)
		for _, key := range slices.Sorted(mapsKeys(r.Header)) {
			fmt.Fprintf(w, "%s: %s\n", key, strings.Join(r.Header[key], "|"))
		}
		if r.URL.Path == "/long" {
			_, _ = io.WriteString(w, strings.Repeat("all work and no play\n", 500))
		}
	}))
	server.TLS = config
	if config != nil {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func mapsKeys(h http.Header) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for key := range h {
			if !yield(key) {
				return
			}
		}
	}
}

// startTCP starts a server that answers the first bytes with its name and these bytes.
func startTCP(t *testing.T, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 100)
				n, _ := conn.Read(buf)
				fmt.Fprintf(conn, "%s %s", name, buf[:n])
			}()
		}
	}()
	return l.Addr().String()
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// A file is a configuration of testdata with addresses of its own.
type file struct {
	text  []byte
	binds map[string]string // name → address
}

// file reads a configuration of testdata. Each call chooses other addresses.
func (s *site) file(t *testing.T, name string) file {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", name+".cfg"))
	if err != nil {
		t.Fatal(err)
	}
	out := file{binds: map[string]string{}}
	functions := template.FuncMap{
		"bind": func(name string) string {
			if out.binds[name] == "" {
				out.binds[name] = fmt.Sprint("127.0.0.1:", freePort(t))
			}
			return out.binds[name]
		},
		"echo":    func(n int) string { return s.http[n-1] },
		"tcpecho": func(n int) string { return s.tcp[n-1] },
		"tlsecho": func() string { return s.tls },
		"dir":     func() string { return s.dir },
		"number":  func(string) int { return s.dns },
		"many": func() []int {
			list := make([]int, 100)
			for i := range list {
				list[i] = i + 1
			}
			return list
		},
	}
	parsed, err := template.New(name).Funcs(functions).Parse(string(source))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, nil); err != nil {
		t.Fatal(err)
	}
	out.text = text.Bytes()
	return out
}

// requests are the lines of NAME.requests: METHOD BIND PATH [HEADER=VALUE,…], where _ stands
// for a blank.
func requests(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".requests"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// ask sends one request and returns the answer, without what differs from one to the next.
func (f file) ask(t *testing.T, request string) string {
	t.Helper()
	words := strings.Fields(request)
	address := f.binds[words[1]]
	if words[0] == "TCP" {
		return askTCP(t, address, words[2])
	}
	method, scheme := words[0], "http"
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	if method == "TLS" {
		method, scheme = http.MethodGet, "https"
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the certificate is compared
	}
	r, err := http.NewRequestWithContext(t.Context(), method, scheme+"://"+address+words[2], nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "www.example"
	if len(words) > 3 {
		for pair := range strings.SplitSeq(words[3], ",") {
			key, value, _ := strings.Cut(pair, "=")
			switch value = strings.ReplaceAll(value, "_", " "); key {
			case "Host":
				r.Host = value
			case "sni":
				transport.TLSClientConfig.ServerName = value
			default:
				r.Header.Set(key, value)
			}
		}
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return "error" // of the connection; what it says names ports
	}
	defer response.Body.Close()
	var content io.Reader = response.Body
	if response.Header.Get("Content-Encoding") == "gzip" { // equal texts differ when they are compressed
		if content, err = gzip.NewReader(content); err != nil {
			t.Fatalf("%s: %v", request, err)
		}
	}
	body, err := io.ReadAll(content)
	if err != nil {
		t.Errorf("%s: %v", request, err)
	}
	response.Header.Del("Date")
	var header bytes.Buffer
	if err := response.Header.Write(&header); err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%s %s\n%s\n%s", response.Proto, response.Status, &header, body)
	if response.TLS != nil {
		out += fmt.Sprint(response.TLS.PeerCertificates[0].DNSNames, response.TLS.NegotiatedProtocol)
	}
	return strings.ReplaceAll(out, address, "BIND")
}

func askTCP(t *testing.T, address, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("TCP: %v", err)
	}
	return string(answer)
}
