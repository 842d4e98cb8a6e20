package template_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/api/node"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/template"
)

// nasty are texts that try to leave the line or the section they are put into.
func nasty() []string {
	return []string{
		"live", "\nbackend evil\n", "a\r\nbackend evil", "a\x00b", "a\u2028backend evil", "a\u0085b", `\nbackend evil`,
		"'", `"`, `a'b"c`, `a"`, ".if 1", ".endif", "-f /etc/passwd", "-i", "}", "{", `"\x62ackend" evil`, `\x62ackend evil`,
		"backend evil", "backend#", "global #", "defaults#x", "no backend evil", "default global", "listen x", "crt-store x",
		" \t backend evil", "\u00a0backend evil", "#", "# _version=1", "###_config-snippet_### BEGIN", "option httpclose # backend",
		"$HOME", "${HOME}", `"$HOME"`, "%[src]", `end\`, `a\ b`, "option forwardfor", "server evil 127.0.0.1:1", "bind 127.0.0.1:0",
		"use_backend evil if TRUE", "default_backend evil", "acl rule_1 always_true", "timeout server 1s", "http-request deny if { path ' }' }",
		"maxconn 10", `log-format "%{+Q}r \" # "`, "\ufeffbackend evil", "backend\vevil", "\xff\xfe", "é", "日本", strings.Repeat("x", 3000),
		"http-request return status 200 content-type text/plain string 'backend evil'", "stats enable", "description 'a\\'", "id 7",
	}
}

// An attempt is one set of texts put wherever text can be put.
type attempt struct {
	key, value, header, native, host, uri, service, meta string
}

// config puts the texts through the parsers that requests and Consul's answers
// go through. It is false when any of them refuses.
func (a attempt) config(tb testing.TB) (lb.Config, bool) {
	tb.Helper()
	frontend, errF := node.ParseFrontend(a.key, document(tb, map[string]any{
		"bind": "127.0.0.1:80", "backend": "live", "natives": []string{a.native},
		"rules": []any{
			map[string]any{"type": "path", "operation": "path_beg", "value": a.value, "backend": "live"},
			map[string]any{"type": "header", "header": a.header, "operation": "hdr", "value": a.value, "backend": "live"},
		},
	}))
	static, errS := node.ParseBackend("live", document(tb, map[string]any{
		"type": "static", "host": "example.org", "health": map[string]any{"uri": a.uri}, "natives": []string{a.native},
		"members": []any{map[string]any{"host": "127.0.0.1", "port": 9}},
	}))
	dynamic, errD := node.ParseBackend("z-"+a.key, document(tb, map[string]any{
		"type": "dynamic", "name": a.service, "version": a.service, "host": a.host, "natives": []string{a.native},
	}))
	if errF != nil || errS != nil || errD != nil {
		for _, err := range []error{errF, errS, errD} {
			if invalid := new(lb.InvalidError); err != nil && !errors.As(err, &invalid) {
				tb.Errorf("refused without naming a field: %v", err)
			}
		}
		return lb.Config{}, false
	}
	in := lb.Intent{
		Frontends: map[lb.Name]lb.Frontend{frontend.Key: frontend},
		Backends:  map[lb.Name]lb.Backend{static.Key: static, dynamic.Key: dynamic},
	}
	instance := lb.Instance{
		ID: a.meta, Node: a.meta, Address: lb.HostPort{Host: "127.0.0.2", Port: 9}, Version: dynamic.Version, Tags: []string{a.meta},
		Meta: map[string]string{a.meta: a.meta}, Weight: 1, Healthy: true, Status: "passing",
	}
	snap := lb.Snapshot{Services: map[lb.Name]lb.Service{dynamic.Service: {Name: dynamic.Service, Instances: []lb.Instance{instance}}}}
	return lb.Resolve(in, snap, lb.Process{StatsSocket: "/run/haproxy.sock"}), in.Validate() == nil
}

func document(tb testing.TB, v any) []byte {
	tb.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}

// sections are the section lines of a rendering, read as simply as can be.
func sections(rendering []byte) []string {
	var out []string
	for line := range strings.Lines(string(rendering)) {
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\n#\"'\\", r) })
		if len(words) > 0 && lb.IsSection(words[0]) && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			out = append(out, strings.Join(words, " "))
		}
	}
	return out
}

// check renders what the parsers let through. Only a native may be refused then,
// for its quotes or for a comment that means something to the library.
func (a attempt) check(tb testing.TB) ([]byte, bool) {
	tb.Helper()
	config, ok := a.config(tb)
	if !ok {
		return nil, false
	}
	out, err := template.Default().Render(config)
	if err != nil {
		if !strings.ContainsAny(a.native, `'"#`) {
			tb.Errorf("%+v: accepted, and then not rendered: %v", a, err)
		}
		return nil, false
	}
	want := []string{"global", "defaults", "frontend " + a.key, "backend live", "backend z-" + a.key}
	if got := sections(out.Bytes); !slices.Equal(got, want) {
		tb.Errorf("%+v: sections %q, want %q\n%s", a, got, want, out.Bytes)
	}
	return out.Bytes, true
}

func FuzzRender(f *testing.F) {
	for _, s := range nasty() {
		f.Add("web", s, "X-A", s, "example.org", s, "shop", s)
		f.Add(s, "/", "X-A", "option forwardfor", "example.org", "/", "shop", "")
		f.Add("web", "/", s, "option forwardfor", s, "/"+s, s, s)
	}
	f.Fuzz(func(t *testing.T, key, value, header, native, host, uri, service, meta string) {
		attempt{key: key, value: value, header: header, native: native, host: host, uri: uri, service: service, meta: meta}.check(t)
	})
}

// TestHAProxySeesTheSameSections gives HAProxy what comes of combinations of
// nasty texts. Those that it takes it has to run with the proxies and servers
// that went in.
func TestHAProxySeesTheSameSections(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	pick := func(fallback string) string {
		if list := nasty(); random.IntN(3) > 0 {
			return list[random.IntN(len(list))]
		}
		return fallback
	}
	accepted, refused := 0, 0
	for attempts := 0; accepted+refused < 100 && attempts < 20000; attempts++ {
		a := attempt{
			key: "web", value: pick("/"), header: "X-A", native: pick("option forwardfor"),
			host: "example.org", uri: "/" + strings.ReplaceAll(pick(""), " ", ""), service: "shop", meta: pick(""),
		}
		out, ok := a.check(t)
		if !ok {
			continue
		}
		if a.run(t, out) {
			accepted++
		} else {
			refused++
		}
	}
	if accepted < 20 || refused < 20 {
		t.Errorf("%d configurations were accepted and %d refused, want a fair number of both", accepted, refused)
	}
}

// run checks a rendering with haproxy -c and, when it is taken, runs it.
func (a attempt) run(t *testing.T, rendering []byte) bool {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	text := strings.Replace(string(rendering), "/run/haproxy.sock", socket, 1)
	text = strings.Replace(text, "bind 127.0.0.1:80\n", "bind "+(lb.HostPort{Host: "127.0.0.1", Port: uint16(testkit.Port(t))}).String()+"\n", 1)
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, taken := haproxyCheck(t, file); !taken {
		return false
	}
	stop := haproxyStart(t, []byte(text), socket)
	defer stop()
	var got []string
	for row := range strings.Lines(haproxyAsk(t, socket, "show stat")) {
		if fields := strings.Split(row, ","); len(fields) > 2 && fields[0] != "# pxname" {
			got = append(got, fields[0]+"/"+fields[1])
		}
	}
	want := []string{"web/FRONTEND"}
	for _, key := range []string{"live", "z-web"} {
		if strings.HasPrefix(a.native, "server ") {
			want = append(want, key+"/evil")
		}
		want = append(want, key+"/"+map[string]string{"live": "127.0.0.1:9", "z-web": "127.0.0.2:9"}[key], key+"/BACKEND")
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v: HAProxy has %q, want %q\n%s", a, got, want, text)
	}
	return true
}

// TestMeta: nothing that Consul says of an instance beside its address gets into
// the rendering.
func TestMeta(t *testing.T) {
	t.Parallel()
	tmpl := template.Default()
	render := func(m lb.Member) string {
		m.Address = lb.HostPort{Host: "10.0.0.1", Port: 80}
		config := lb.Config{Backends: []lb.ResolvedBackend{{Backend: lb.Backend{Key: "live", Mode: "http", Balance: "source"}, Members: []lb.Member{m}}}}
		out, err := tmpl.Render(config)
		if err != nil {
			t.Fatal(err)
		}
		return string(out.Bytes)
	}
	plain := render(lb.Member{})
	for _, s := range nasty() {
		m := lb.Member{Meta: map[string]string{s: s}, Version: lb.Version(s), Service: lb.Name(s), LastKnown: time.Unix(1, 0)}
		if render(m) != plain {
			t.Errorf("%q changes the rendering", s)
		}
	}
}

func TestStatisticsPageSharesNoAddress(t *testing.T) {
	t.Parallel()
	f, err := node.ParseFrontend("web", []byte(`{"bind": "*:80,0.0.0.0:1988", "backend": "live"}`))
	if err != nil {
		t.Fatal(err)
	}
	c := lb.Config{Process: lb.Process{StatsBind: &lb.Bind{Port: 1988}}, Frontends: []lb.Frontend{f}}
	_, err = template.Default().Render(c)
	if refused := new(lb.RefusedError); !errors.As(err, &refused) || !strings.Contains(refused.Output, "frontend/web binds *:1988") {
		t.Errorf("got %v, want a refusal", err)
	}
}
