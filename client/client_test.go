package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	nodeapi "thalassa/api/node"
	"thalassa/auth"
	"thalassa/client"
	"thalassa/lb"
)

// start serves a node with a service in two versions and gives a client of it.
func start(t *testing.T) (*apitest.Node, *client.Client) {
	t.Helper()
	node := newNode(t)
	server := httptest.NewServer(api.New(node.Config()))
	t.Cleanup(server.Close)
	node.Discover("shop", "10.1.0.1:8080 1.0.0", "10.1.0.2:8080 2.0.0")
	return node, connect(t, server.URL)
}

func newNode(t *testing.T) *apitest.Node {
	t.Helper()
	node, _ := apitest.Prepare(t)
	return node
}

func connect(t *testing.T, address string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// failed checks that err is an answer of this status and code.
func failed(t *testing.T, err error, status int, code string) client.Error {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) || e.Status != status || e.Code != code || e.Error() == "" {
		t.Fatalf("error %#v, want status %d, code %q", err, status, code)
	}
	return *e
}

func TestNewRefuses(t *testing.T) {
	for _, address := range []string{"ftp://x", "http://", "http://a b", "://", "http://x?y=1", "http://u:p@x", "unix:///x"} {
		if _, err := client.New(client.Config{Address: address}); err == nil || !strings.Contains(err.Error(), client.DefaultAddress) {
			t.Errorf("New(%q): %v", address, err)
		}
	}
	const secret = "secret\ntoken-0123456789"
	if _, err := client.New(client.Config{Token: secret}); err == nil || strings.Contains(err.Error(), "0123") {
		t.Errorf("a token with a line break: %v", err)
	}
	for _, address := range []string{"", "lb1:10000", "https://lb1/thalassa/", "http://[::1]:10000"} {
		if _, err := client.New(client.Config{Address: address}); err != nil {
			t.Errorf("New(%q): %v", address, err)
		}
	}
}

func TestFrontends(t *testing.T) {
	node, c := start(t)
	ctx := t.Context()
	if list, err := c.Frontends(ctx); err != nil || len(list) != 0 {
		t.Fatalf("Frontends: %v, %v", list, err)
	}
	if _, _, err := c.PutBackend(ctx, "live", client.Backend{Type: "dynamic", Name: "shop", Version: "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	put, applied, err := c.PutFrontend(ctx, "www", json.RawMessage(`{"bind":"*:80","backend":"live","rules":[{"type":"path","operation":"path_beg","value":"/a","backend":"live"}]}`), client.IfNew())
	if err != nil || put.ID != "frontend/www" || put.ETag == "" || !applied.Applied || applied.Path != "reload" || applied.Revision != 2 || applied.DurationMS != 1.5 {
		t.Fatalf("PutFrontend: %+v, %+v, %v", put, applied, err)
	}
	got, err := c.Frontend(ctx, "www")
	if err != nil || got.ETag != put.ETag || got.Bind != "*:80" || len(got.Rules) != 1 || got.Rules[0].Operation != "path_beg" {
		t.Fatalf("Frontend: %+v, %v", got, err)
	}
	// As a value of the domain, and as a value that was read and changed.
	in, err := node.Intent(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, applied, err := c.PutFrontend(ctx, "www", nodeapi.NewFrontend(in.Frontends["www"])); err != nil || applied.Path != "none" {
		t.Errorf("putting a node.Frontend back: %+v, %v", applied, err)
	}
	got.Keepalive, got.Register = "close", &client.Registration{Name: "edge"}
	put, _, err = c.PutFrontend(ctx, "www", got, client.IfMatch(got.ETag))
	if err != nil || put.Keepalive != "close" || put.Register.Name != "edge" || put.ETag == got.ETag {
		t.Errorf("a changed frontend: %+v, %v", put, err)
	}
	_, _, err = c.PutFrontend(ctx, "www", got, client.IfMatch(got.ETag))
	failed(t, err, 412, "precondition_failed")
	_, err = c.DeleteFrontend(ctx, "www", client.IfMatch(got.ETag))
	failed(t, err, 412, "precondition_failed")
	if applied, err := c.DeleteFrontend(ctx, "www", client.IfMatch(put.ETag)); err != nil || applied.Revision != 4 {
		t.Errorf("DeleteFrontend: %+v, %v", applied, err)
	}
	_, err = c.Frontend(ctx, "www")
	failed(t, err, 404, "not_found")
}

func TestBackends(t *testing.T) {
	node, c := start(t)
	ctx := t.Context()
	want := client.Backend{
		Type: "static", Balance: "leastconn", Mode: "http", Host: "shop.example", Natives: []string{"timeout server 5s"},
		Health:  &client.Health{Method: "HEAD", URI: "/up", HTTPVersion: "HTTP/1.1", Interval: 500},
		Members: []client.Member{{Host: "10.10.10.10", Port: 8080}, {Host: "::1", Port: 81}},
	}
	put, _, err := c.PutBackend(ctx, "files", want)
	if err != nil || *put.Health != *want.Health || put.Balance != want.Balance || len(put.Members) != 2 || put.Members[1].Host != "::1" {
		t.Fatalf("PutBackend: %+v, %v", put, err)
	}
	if _, applied, err := c.PutBackend(ctx, "files", put); err != nil || applied.Path != "none" {
		t.Errorf("putting a read backend back: %+v, %v", applied, err)
	}
	if _, _, err := c.PutBackend(ctx, "live", nodeapi.NewBackendDefinition(lb.Backend{Key: "live", Type: "dynamic", Service: "shop", Version: "1.0.0", Balance: "roundrobin", Mode: "http"})); err != nil {
		t.Fatal(err)
	}
	list, err := c.Backends(ctx)
	if err != nil || len(list) != 2 || list[1].Key != "live" || len(list[1].Members) != 1 {
		t.Fatalf("Backends: %+v, %v", list, err)
	}
	members, err := c.Members(ctx, "live")
	if err != nil || len(members) != 1 || members[0].ID != "/shop/1.0.0/10.1.0.1/8080" || members[0].Meta["hostname"] != "host-1.0.0" || members[0].LastKnown == 0 {
		t.Errorf("Members: %+v, %v", members, err)
	}
	read, err := c.Backend(ctx, "live")
	if err != nil {
		t.Fatal(err)
	}
	if _, applied, err := c.PutBackend(ctx, "live", read); err != nil || applied.Path != "none" {
		t.Errorf("putting a read dynamic backend back: %+v, %v", applied, err)
	}
	if _, _, err := c.PutFrontend(ctx, "www", client.Frontend{Bind: "*:80", Backend: "live"}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DeleteBackend(ctx, "live")
	if e := failed(t, err, 409, "conflict"); len(e.By) != 1 || e.By[0] != "frontend/www" {
		t.Errorf("by %v", e.By)
	}
	if _, err := c.DeleteBackend(ctx, "files"); err != nil {
		t.Error(err)
	}
	node.SetDown(true)
	if _, applied, err := c.PutBackend(ctx, "files", want); err != nil || applied.Applied || applied.Reason == "" {
		t.Errorf("while HAProxy is down: %+v, %v", applied, err)
	}
}

// What a program prints of an object is what the API says.
func TestObjectsKeepTheirJSON(t *testing.T) {
	node := newNode(t)
	node.Discover("shop", "10.1.0.1:8080 1.0.0")
	server := httptest.NewServer(api.New(node.Config()))
	t.Cleanup(server.Close)
	c := connect(t, server.URL)
	documents := map[string]string{
		"backends/live":  `{"type":"dynamic","name":"shop","version":"1.0.0","host":"a.example","health":{"httpVersion":"HTTP/1.1"}}`,
		"backends/none":  `{"type":"dynamic","name":"shop","version":"9"}`,
		"backends/split": `{"type":"dynamic","name":"shop","versions":{"1.0.0":90,"9":10,"8":0}}`,
		"backends/files": `{"type":"static","members":[{"host":"::1","port":80}]}`,
		"frontends/www":  `{"bind":"*:80","backend":"live","register":{"name":"edge"},"rules":[{"type":"header","header":"host","operation":"hdr","value":"a b","backend":"files"}]}`,
		"frontends/bare": `{"bind":"*:81","backend":"live"}`,
	}
	for _, path := range slices.Sorted(maps.Keys(documents)) {
		kind, key, _ := strings.Cut(path, "/")
		var object any
		var err error
		if kind == "backends" {
			if _, _, err = c.PutBackend(t.Context(), key, json.RawMessage(documents[path])); err == nil {
				object, err = c.Backend(t.Context(), key)
			}
		} else {
			if _, _, err = c.PutFrontend(t.Context(), key, json.RawMessage(documents[path])); err == nil {
				object, err = c.Frontend(t.Context(), key)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		printed, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if raw := fetch(t, server.URL+"/"+path); value(t, raw) != value(t, printed) {
			t.Errorf("%s\nclient %s\nAPI    %s", path, printed, raw)
		}
	}
}

func fetch(t *testing.T, address string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// value brings JSON into one form.
func value(t *testing.T, data []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestDeploy(t *testing.T) {
	node, c := start(t)
	ctx := t.Context()
	if _, _, err := c.PutBackend(ctx, "live", client.Backend{Type: "dynamic", Name: "shop", Version: "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	b, applied, err := c.Deploy(ctx, "live", client.DeployRequest{Version: "2.0.0"})
	if err != nil || b.Version != "2.0.0" || b.ETag == "" || len(b.Members) != 1 || !applied.Applied {
		t.Fatalf("Deploy: %+v, %+v, %v", b, applied, err)
	}
	_, _, err = c.Deploy(ctx, "live", client.DeployRequest{Version: "3.0.0"})
	failed(t, err, 409, "conflict")
	_, _, err = c.Deploy(ctx, "live", client.DeployRequest{Version: "3.0.0", Wait: -time.Second})
	if e := failed(t, err, 400, "invalid"); e.Fields[0].Path != "wait" || e.Fields[0].Expected == "" {
		t.Errorf("fields %+v", e.Fields)
	}
	_, _, err = c.Deploy(ctx, "live", client.DeployRequest{Version: "1.0.0"}, client.IfMatch(`"x"`))
	failed(t, err, 412, "precondition_failed")
	if b, _, err = c.Deploy(ctx, "live", client.DeployRequest{Service: "blog", Version: "7", Force: true}); err != nil || b.Name != "blog" {
		t.Errorf("forced: %+v, %v", b, err)
	}
	done := make(chan error, 1)
	go func() {
		_, _, err := c.Deploy(ctx, "live", client.DeployRequest{Service: "shop", Version: "4.0.0", Wait: 5 * time.Minute})
		done <- err
	}()
	node.Discover("shop", "10.1.0.9:80 4.0.0")
	if err := <-done; err != nil {
		t.Errorf("waiting for a version: %v", err)
	}
}

func TestStateOfTheAgent(t *testing.T) {
	node, c := start(t)
	ctx := t.Context()
	if _, err := c.HAProxyConfig(ctx); err == nil {
		t.Error("there is a configuration before there is one")
	} else {
		failed(t, err, 503, "unavailable")
	}
	if _, _, err := c.PutBackend(ctx, "live", client.Backend{Type: "dynamic", Name: "shop", Version: "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	if st, err := c.Status(ctx); err != nil || st.Version != "1.2.3" || !st.HAProxy.Running || len(st.Discovery) != 1 {
		t.Errorf("Status: %+v, %v", st, err)
	}
	if v, err := c.Version(ctx); err != nil || v != "1.2.3" {
		t.Errorf("Version: %q, %v", v, err)
	}
	if list, err := c.Services(ctx); err != nil || len(list) != 1 || list[0].Service != "shop" || len(list[0].Versions) != 2 {
		t.Errorf("Services: %+v, %v", list, err)
	}
	if s, err := c.Service(ctx, "shop"); err != nil || len(s.Instances) != 2 || s.Instances[0].Address.Host != "10.1.0.1" || s.Instances[0].Address.Port != 8080 {
		t.Errorf("Service: %+v, %v", s, err)
	}
	if _, err := c.Accept(ctx, "shop"); err == nil {
		t.Error("accepted what is not held")
	} else {
		failed(t, err, 409, "conflict")
	}
	node.Hold("shop")
	if s, err := c.Service(ctx, "shop"); err != nil || s.Hold == nil || s.Hold.Lost != 2 || !s.Instances[0].Held {
		t.Errorf("Service that holds: %+v, %v", s, err)
	}
	if s, err := c.Accept(ctx, "shop"); err != nil || s.Hold != nil || len(s.Instances) != 0 {
		t.Errorf("Accept: %+v, %v", s, err)
	}
	node.Discover("shop", "10.1.0.1:8080 1.0.0", "10.1.0.2:8080 2.0.0")
	node.Lose("shop", "no route to host")
	if r, err := c.Readiness(ctx); err != nil || !r.Ready || !slices.Equal(r.Stale, []string{"shop: no route to host"}) {
		t.Errorf("Readiness: %+v, %v", r, err)
	}
	node.Lose("shop", "")
	if config, err := c.HAProxyConfig(ctx); err != nil || !strings.HasPrefix(string(config), "backend live\n") {
		t.Errorf("HAProxyConfig: %s, %v", config, err)
	}
	if list, err := c.Revisions(ctx, 0, 0); err != nil || len(list) != 1 || list[0].Cause != "PUT /backends/live" {
		t.Errorf("Revisions: %+v, %v", list, err)
	}
	if list, err := c.Revisions(ctx, 1, 5); err != nil || len(list) != 0 {
		t.Errorf("Revisions before the first: %+v, %v", list, err)
	}
	if r, err := c.Readiness(ctx); err != nil || !r.Ready || len(r.Reasons) != 0 {
		t.Errorf("Readiness: %+v, %v", r, err)
	}
	node.SetDown(true)
	if r, err := c.Readiness(ctx); err != nil || r.Ready || len(r.Reasons) != 1 {
		t.Errorf("Readiness while HAProxy is down: %+v, %v", r, err)
	}
}

func TestErrorsCarryTheirDetails(t *testing.T) {
	node, c := start(t)
	put := func() error {
		_, _, err := c.PutBackend(t.Context(), "x", client.Backend{Type: "static"})
		return err
	}
	node.Fail(&lb.RefusedError{At: "check", Output: "one\ntwo"})
	if e := failed(t, put(), 422, "refused"); e.Output != "one\ntwo" || client.IsUnreachable(&e) {
		t.Errorf("output %q", e.Output)
	}
	node.Fail(errors.New("secret"))
	if e := failed(t, put(), 500, "internal"); e.Incident == "" {
		t.Errorf("no incident: %+v", e)
	}
	if _, _, err := c.PutBackend(t.Context(), "x", json.RawMessage(`{`)); err == nil || !strings.HasPrefix(err.Error(), "encoding the body of PUT /backends/x: ") {
		t.Errorf("a document that is not JSON: %v", err)
	}
	_, err := c.Backend(t.Context(), "a/b ü")
	if e := failed(t, err, 400, "invalid"); e.Fields[0].Path != "key" {
		t.Errorf("fields %+v", e.Fields)
	}
}

func TestTheTokenIsSent(t *testing.T) {
	const token = "s3cr3t-0123456789abcdef"
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("read ci "+token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := auth.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := newNode(t).Config()
	cfg.Authority = auth.NewAuthority(tokens, nil)
	server := httptest.NewServer(api.New(cfg))
	defer server.Close()
	if _, err := connect(t, server.URL).Backends(t.Context()); err == nil {
		t.Error("no token is needed")
	} else {
		failed(t, err, 401, "unauthorized")
	}
	c, err := client.New(client.Config{Address: strings.TrimPrefix(server.URL, "http://"), Token: token})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Backends(t.Context()); err != nil {
		t.Error(err)
	}
	_, err = c.DeleteBackend(t.Context(), "x")
	failed(t, err, 403, "forbidden")
}

func TestDeployOfASplit(t *testing.T) {
	node, c := start(t)
	ctx := t.Context()
	if _, _, err := c.PutBackend(ctx, "live", client.Backend{Type: "dynamic", Name: "shop", Version: "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	split := lb.Split{{Version: "1.0.0", Weight: 90}, {Version: "2.0.0", Weight: 10}}
	b, _, err := c.Deploy(ctx, "live", client.DeployRequest{Versions: split})
	if err != nil || !slices.Equal(lb.Split(b.Versions), split) || b.Version != "" || b.Selection() != "1.0.0=90,2.0.0=10" || len(b.Members) != 2 {
		t.Fatalf("%+v, %v", b, err)
	}
	if _, applied, err := c.PutBackend(ctx, "live", b); err != nil || applied.Path != "none" {
		t.Errorf("putting it back: %+v, %v", applied, err)
	}
	node.Count("10.1.0.2:8080", lb.ServerStats{Requests: 7, Responses: lb.Responses{ServerError: 2}})
	members, err := c.MembersWithStats(ctx, "live")
	if err != nil || len(members) != 2 || members[1].Version != "2.0.0" || members[1].Stats.Requests != 7 || members[1].Stats.Responses.ServerError != 2 {
		t.Errorf("%+v, %v", members, err)
	}
	if members, err := c.Members(ctx, "live"); err != nil || members[0].Stats != nil {
		t.Errorf("%+v, %v", members, err)
	}
	if b, _, err = c.Deploy(ctx, "live", client.DeployRequest{Version: "2.0.0"}); err != nil || b.Versions != nil || b.Selection() != "2.0.0" {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestPutsSayHowTheyAreCarriedOut(t *testing.T) {
	for _, c := range []struct {
		put  client.Put
		want string
	}{
		{client.Put{Document: json.RawMessage(`{"type":"static"}`)}, `{"type":"static"}`},
		{client.Put{Document: json.RawMessage(` {"type":"static"}`), Force: true}, `{"force":true,"type":"static"}`},
		{client.Put{Document: json.RawMessage(`{ }`), Wait: time.Second}, `{"wait":"1s"}`},
		{client.Put{Document: client.Backend{Type: "static"}, Force: true, Wait: time.Minute}, `{"force":true,"wait":"1m0s","type":"static","balance":"","mode":"","natives":null,"members":null}`},
	} {
		if got, err := json.Marshal(c.put); err != nil || string(got) != c.want {
			t.Errorf("%s, %v, want %s", got, err, c.want)
		}
	}
	if got, err := json.Marshal(client.Put{Document: []string{"x"}, Force: true}); err == nil {
		t.Errorf("a list is taken: %s", got)
	}
}
