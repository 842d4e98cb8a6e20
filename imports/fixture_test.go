package imports_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"thalassa/internal/testkit"
)

// A site has what the configurations of testdata refer to: files, certificates and servers
// that answer with what they were asked.
type site struct {
	dir   string
	http  []string // addresses of servers for HTTP
	tls   string
	tcp   []string
	proxy string // wants the PROXY protocol
	fcgi  string
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
	s.proxy, s.fcgi = startProxied(t, "proxied"), startFastCGI(t, "fastcgi")
	authority, key := s.certificate(t, "ca", nil, nil)
	for _, name := range []string{"site", "other"} {
		s.certificate(t, name, authority, key)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(s.dir, "site.pem"), filepath.Join(s.dir, "site.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s.tls = startHTTP(t, "tls", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	for name, text := range map[string]string{
		"503.http":    "HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\nback soon\n",
		"404.http":    "HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\n\r\npretty\n",
		"hosts.map":   "one.example one\ntwo.example two\n",
		"blocked.lst": "192.0.2.0/24\n2001:db8::/32\n",
		"sites.map":   "social.example social\nvideo.example video\ncloud.example cloud\n",
		"bots.lst":    "evilcrawler\nbadbot\n",
		"crt.list":    s.dir + "/site.pem [alpn http/1.1] *.site.example site.example\n" + s.dir + "/other.pem other.example\n",
		"sni.map":     "site.example ingress_site\n",
		"classes.map": "api interactive\nweb static\n",
		"local.map":   "cloud NEXTCLOUD_backend\n",
		"public.map":  "cloud NEXTCLOUD_backend\nhass HASS_backend\n",
		"hello.lf":    "hello %[path] from %[var(proc.name)]\n",
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
				for {
					n, _ := conn.Read(buf)
					if answer := answerToCheck(string(buf[:n])); answer != "" {
						_, _ = io.WriteString(conn, answer)
						continue
					}
					fmt.Fprintf(conn, "%s %s", name, buf[:n])
					return
				}
			}()
		}
	}()
	return l.Addr().String()
}

// answerToCheck is what a database answers when HAProxy checks it; empty: that is no check.
// HAProxy takes a server for down after the first check that fails.
func answerToCheck(text string) string {
	switch {
	case text == "PING\r\n", text == "*1\r\n$4\r\nPING\r\n":
		return "+PONG\r\n"
	case text == "info replication\r\n":
		return "role:master\r\n"
	case text == "QUIT\r\n":
		return "+OK\r\n"
	case len(text) > 8 && text[4:8] == "\x00\x03\x00\x00": // PostgreSQL's startup message
		return "R\x00\x00\x00\x08\x00\x00\x00\x00"
	}
	return ""
}

// startProxied starts a server that wants the PROXY protocol. It answers with its name, the
// version of the protocol, the address of the client, and the first bytes.
func startProxied(t *testing.T, name string) string {
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
				version, client, rest, err := readProxied(conn)
				fmt.Fprintf(conn, "%s %s %s %s %v", name, version, client, rest, err)
			}()
		}
	}()
	return l.Addr().String()
}

// readProxied reads the header of a connection, and what the client sends first.
func readProxied(conn net.Conn) (version, client, rest string, err error) {
	r := bufio.NewReader(conn)
	first, err := r.Peek(12)
	if err != nil {
		return "", "", "", err
	}
	if strings.HasPrefix(string(first), "PROXY ") {
		line, err := r.ReadString('\n')
		if err != nil {
			return "v1", "", "", err
		}
		client, version = strings.Fields(line)[2], "v1"
	} else {
		head := make([]byte, 16)
		if _, err := io.ReadFull(r, head); err != nil {
			return "v2", "", "", err
		}
		addresses := make([]byte, binary.BigEndian.Uint16(head[14:]))
		if _, err := io.ReadFull(r, addresses); err != nil || len(addresses) < 4 {
			return "v2", "", "", err
		}
		client, version = net.IP(addresses[:4]).String(), "v2"
	}
	buf := make([]byte, 100)
	n, err := r.Read(buf)
	return version, client, string(buf[:n]), err
}

// startFastCGI starts an application that answers with what it was asked.
func startFastCGI(t *testing.T, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		_ = fcgi.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // ends with the listener
			var body bytes.Buffer
			fmt.Fprintf(&body, "%s %s %s %s\n", name, r.Method, r.URL, r.Header["X-Tenant"])
			env := fcgi.ProcessEnv(r)
			for _, key := range []string{"SCRIPT_FILENAME", "SCRIPT_NAME", "PATH_INFO", "DOCUMENT_ROOT", "REMOTE_NAME", "HTTPS", "REMOTE_USER"} {
				fmt.Fprintf(&body, "%s=%s\n", key, env[key])
			}
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", strconv.Itoa(body.Len())) // or HAProxy's answer depends on its packets
			_, _ = w.Write(body.Bytes())
		}))
	}()
	return l.Addr().String()
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
	numbers := map[string]int{}
	functions := template.FuncMap{
		"bind": func(name string) string {
			if out.binds[name] == "" {
				out.binds[name] = fmt.Sprint("127.0.0.1:", testkit.Port(t))
			}
			return out.binds[name]
		},
		"echo":      func(n int) string { return s.http[n-1] },
		"tcpecho":   func(n int) string { return s.tcp[n-1] },
		"tlsecho":   func() string { return s.tls },
		"dir":       func() string { return s.dir },
		"echoport":  func(n int) string { _, port, _ := strings.Cut(s.http[n-1], ":"); return port },
		"proxyecho": func() string { return s.proxy },
		"fcgi":      func() string { return s.fcgi },
		"uid":       os.Getuid,
		"gid":       os.Getgid,
		"number": func(name string) int {
			if numbers[name] == 0 {
				numbers[name] = testkit.Port(t)
			}
			return numbers[name]
		},
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
	if response.Header.Get("Age") != "" { // from a cache, since 0 s or since 1 s
		response.Header.Set("Age", "some")
	}
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
	switch {
	case err != nil:
		t.Errorf("TCP: %v", err)
	case len(answer) == 0:
		return "the end of the connection"
	}
	return string(answer)
}
