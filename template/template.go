package template

import (
	"bytes"
	"cmp"
	_ "embed" // the default template
	"fmt"
	"strings"
	"sync/atomic"
	"text/template"
	"time"

	"thalassa/lb"
)

//go:embed default.haproxy.cfg.tmpl
var defaultSource string

// A Template renders configurations to haproxy.cfg. Equal configurations give equal bytes. Its
// methods may be called concurrently.
type Template struct {
	parsed       *template.Template
	confirmation *confirmation
	length       *atomic.Int64 // of the last text; the next is mostly as long
	asksAgents   bool
	hashType     string
	writesKeys   bool
	writesIDs    bool
}

// A Rendered is a configuration as HAProxy reads it.
type Rendered struct {
	Bytes []byte
	// Fingerprint is 12 hex digits, equal for equal configurations rendered
	// with equal templates.
	Fingerprint string
}

// Default is the template that is part of the program.
func Default() *Template {
	t, err := Parse("default.haproxy.cfg.tmpl", defaultSource)
	if err != nil {
		panic(err) // a broken build: the tests of this package parse it
	}
	return t
}

// DefaultSource is the text of that template.
func DefaultSource() string { return defaultSource }

// Parse parses a template; the package comment says what it can use and must write. A syntax error
// begins with name and line. Parse also renders a small configuration, so that it finds most other
// mistakes: that error wraps an *lb.RefusedError.
func Parse(name, source string) (*Template, error) {
	parsed, err := template.New(name).Funcs(functions()).Parse(strings.ReplaceAll(source, "\r\n", "\n"))
	if err != nil {
		return nil, fmt.Errorf("parsing template: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	t := &Template{parsed: parsed, confirmation: &confirmation{}, length: &atomic.Int64{}}
	for line := range strings.Lines(source) {
		t.asksAgents = t.asksAgents || lb.AsksAgent(line)
		t.writesKeys = t.writesKeys || strings.Contains(line, ".HashKey")
		t.writesIDs = t.writesIDs || strings.Contains(line, ".ID")
		t.hashType = cmp.Or(lb.HashType(line), t.hashType)
	}
	if _, err := t.Render(sample()); err != nil {
		return nil, fmt.Errorf("trying template %s: %w", name, err)
	}
	return t, nil
}

// AsksAgents reports whether a line of the template, under any condition, enables agent checks of
// servers (agent-check).
func (t *Template) AsksAgents() bool { return t.asksAgents }

// HashType is the argument of the last hash-type line of the template, under any condition; empty:
// there is none.
func (t *Template) HashType() string { return t.hashType }

// WritesNumbers reports whether the template uses ID of servers.
func (t *Template) WritesNumbers() bool { return t.writesIDs }

// WritesHashKeys reports whether the template uses HashKey of servers.
func (t *Template) WritesHashKeys() bool { return t.writesKeys }

// sample is a configuration that exercises most of a template.
func sample() lb.Config {
	bind := lb.Bind{Host: "127.0.0.1", Port: 1988}
	return lb.Config{
		Process: lb.Process{
			StatsSocket: "/run/haproxy.sock", SocketUser: "root", StateFile: "/run/haproxy.state", PeersSocket: "/run/peers.sock", PageSocket: "/run/page.sock", User: "haproxy", Group: "haproxy",
			Log: "/dev/log local0", MaxConn: 4096, HardStopAfter: time.Minute, StatsBind: &bind,
		},
		Frontends: []lb.Frontend{
			{
				Key: "sample-http", Binds: []lb.Bind{{Port: 80}}, Mode: "http", Keepalive: "default", Backend: "sample-http",
				Rules:   []lb.Rule{{Type: "path", Operation: "path_beg", Values: []string{"/api"}, Backend: "sample-http"}},
				Natives: []lb.RawLine{"option forwardfor"},
			},
			{Key: "sample-tcp", Binds: []lb.Bind{{Port: 81}}, Mode: "tcp", Keepalive: "default", Backend: "sample-tcp"},
		},
		Backends: []lb.ResolvedBackend{
			{
				Backend: lb.Backend{
					Key: "sample-http", Type: "static", Balance: "roundrobin", Mode: "http", Host: "example.org",
					Health:  &lb.Health{Method: "GET", URI: "/", Version: "HTTP/1.1", Interval: lb.DefaultCheckInterval},
					Natives: []lb.RawLine{"option forwardfor"},
				},
				Members: []lb.Member{
					{Address: lb.HostPort{Host: "192.0.2.1", Port: 80}, Weight: 1},
					{Address: lb.HostPort{Host: "www.example.org", Port: 80}, Weight: 1},
				},
			},
			{Backend: lb.Backend{Key: "sample-tcp", Type: "static", Balance: "source", Mode: "tcp"}},
		},
	}
}

// Render renders c to haproxy.cfg and reads the result back. The error is an *lb.RefusedError of
// stage "render": the template cannot be executed on c, or the result differs from c. 10,000
// servers in 1,000 backends take a tenth of a second, more than half of it for reading back. It
// takes less if most backends were the same in the last rendering.
func (t *Template) Render(c lb.Config) (Rendered, error) {
	v := newView(c)
	err := cmp.Or(v.check(), checkStatsBind(c))
	if err != nil {
		return Rendered{}, refused(err)
	}
	if v.Process.PeersBind, err = t.peersBind(v); err != nil {
		return Rendered{}, refused(err)
	}
	if v.Fingerprint, err = t.fingerprint(c, v.Process.PeersBind); err != nil {
		return Rendered{}, refused(err)
	}
	out, err := t.execute(v, t.length.Load())
	if err != nil {
		return Rendered{}, refused(err)
	}
	t.length.Store(int64(len(out)))
	if err := t.audit(v, out); err != nil {
		return Rendered{}, refused(err)
	}
	return Rendered{Bytes: out, Fingerprint: v.Fingerprint}, nil
}

// execute gives the text for v, which is probably about so long; it ends with a line
// break, without which HAProxy takes the last line for cut off.
func (t *Template) execute(v View, length int64) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, length+bytes.MinRead))
	if err := t.parsed.Execute(buf, v); err != nil {
		return nil, fmt.Errorf("executing template: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	if out := buf.Bytes(); len(out) > 0 && out[len(out)-1] != '\n' {
		buf.WriteByte('\n')
	}
	return buf.Bytes(), nil
}

func refused(err error) error {
	return &lb.RefusedError{At: "render", Output: err.Error()}
}
