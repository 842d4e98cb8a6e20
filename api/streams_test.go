package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/internal/testkit"
	"thalassa/live"
)

const patience = 20 * time.Second

// streamingFixture is a fixture that keeps its streams up to date.
func streamingFixture(tb testing.TB, adjust ...func(*api.Config)) *fixture {
	tb.Helper()
	node, cfg := apitest.Prepare(tb, adjust...)
	handler := api.New(cfg)
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	run(tb, handler.Follow)
	return &fixture{Node: node, tb: tb, url: server.URL}
}

// A message is a frame of any type.
type message struct {
	Type, Topic, Epoch, Message, Protocol, Version, Label string
	Seq                                                   uint64
	Time, Interval, History                               int64
	Topics                                                []string
	Objects, Changed                                      []map[string]any
	Removed                                               []string
}

// A subscriber is a client of /streams.
type subscriber struct {
	t    *testing.T
	conn *websocket.Conn
	// known is what a client knows by now: objects by topic and id.
	known map[string]map[string]map[string]any
}

// subscriber connects; headers are "Name: value".
func (f *fixture) subscriber(t *testing.T, headers ...string) *subscriber {
	t.Helper()
	conn, _, err := f.dial(t.Context(), headers...)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(64 << 20)
	p := newSubscriber(t, conn)
	t.Cleanup(p.leave)
	return p
}

func newSubscriber(t *testing.T, conn *websocket.Conn) *subscriber {
	t.Helper()
	p := &subscriber{t: t, conn: conn, known: map[string]map[string]map[string]any{}}
	for _, topic := range []string{"status", "frontends", "backends", "services", "stat", "activity"} {
		p.known[topic] = map[string]map[string]any{}
	}
	return p
}

// dial connects; without success it gives the status of the answer.
func (f *fixture) dial(ctx context.Context, headers ...string) (*websocket.Conn, int, error) {
	h := http.Header{}
	for _, text := range headers {
		name, value, _ := strings.Cut(text, ": ")
		h.Add(name, value)
	}
	return dial(ctx, f.url, &websocket.DialOptions{HTTPHeader: h})
}

func dial(ctx context.Context, url string, options *websocket.DialOptions) (*websocket.Conn, int, error) {
	options.Subprotocols = []string{live.Protocol}
	conn, res, err := websocket.Dial(ctx, url+"/streams", options)
	if res == nil {
		return nil, 0, err
	}
	if res.Body != nil {
		_ = res.Body.Close()
	}
	return conn, res.StatusCode, err
}

// leave ends the connection without a word.
func (p *subscriber) leave() { _ = p.conn.CloseNow() }

func (p *subscriber) say(text string) {
	p.t.Helper()
	if err := p.conn.Write(p.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// next reads one frame.
func (p *subscriber) next() message {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	kind, data, err := p.conn.Read(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	var m message
	if err := json.Unmarshal(data, &m); err != nil || kind != websocket.MessageText {
		p.t.Fatalf("%v: %s", err, data)
	}
	p.learn(m)
	return m
}

// learn does what docs/streams.md tells clients to do.
func (p *subscriber) learn(m message) {
	switch m.Type {
	case "state":
		p.known[m.Topic] = map[string]map[string]any{}
		for _, o := range m.Objects {
			p.known[m.Topic][o["id"].(string)] = o
		}
	case "delta":
		for _, o := range m.Changed {
			id := o["id"].(string)
			if m.Topic == "stat" || m.Topic == "totals" {
				o = testkit.Merge(p.known[m.Topic][id], o)
			}
			p.known[m.Topic][id] = o
		}
		for _, id := range m.Removed {
			delete(p.known[m.Topic], id)
		}
	}
}

// wait reads frames until an object is as it should be.
func (p *subscriber) wait(topic, id string, ok func(object map[string]any) bool) {
	p.t.Helper()
	for !ok(p.known[topic][id]) {
		p.next()
	}
}

// until reads frames up to one that is wanted.
func (p *subscriber) until(wanted func(message) bool) message {
	p.t.Helper()
	for {
		if m := p.next(); wanted(m) {
			return m
		}
	}
}

// closed reads to the end, and gives the code.
func (p *subscriber) closed() websocket.StatusCode {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), patience)
	defer cancel()
	for {
		if _, _, err := p.conn.Read(ctx); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

func (m message) has(id string) map[string]any {
	for _, o := range slices.Concat(m.Objects, m.Changed) {
		if o["id"] == id {
			return o
		}
	}
	return nil
}

func TestStreamsTellStatesAndChanges(t *testing.T) {
	s := streamingFixture(t, func(c *api.Config) { c.Label = "edge" })
	s.Discover("shop", "10.1.0.1:8080 1.0.0", "10.1.0.3:8080 2.0.0")
	s.put("/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	p := s.subscriber(t)
	hello := p.next()
	if hello.Type != "hello" || hello.Protocol != "thalassa.v1" || hello.Version != "1.2.3" || hello.Label != "edge" || hello.Epoch == "" ||
		hello.History != 300 || !slices.Equal(hello.Topics, []string{"status", "frontends", "backends", "services", "canaries", "activity"}) {
		t.Errorf("hello is %+v", hello)
	}
	p.say(`{"type":"subscribe","topics":["status","frontends","backends","services","activity"]}`)
	var topics []string
	for range 5 {
		m := p.until(func(m message) bool { return m.Type == "state" })
		topics = append(topics, m.Topic)
	}
	if !slices.Equal(topics, []string{"status", "frontends", "backends", "services", "activity"}) {
		t.Errorf("states of %v", topics)
	}
	s.put("/frontends/www", `{"bind":"*:80","backend":"live"}`)
	p.wait("frontends", "frontend/www", func(o map[string]any) bool { return o["etag"] == s.get("/frontends/www").header.Get("Etag") })
	p.wait("activity", "2", func(o map[string]any) bool { return o["verb"] == "configurationChanged" })
	r := s.do("POST", "/backends/live", `{"version":"2.0.0"}`)
	r.wants(t, 200, nil)
	members := func(o map[string]any) []any { list, _ := o["members"].([]any); return list }
	p.wait("backends", "backend/live", func(o map[string]any) bool {
		return o["version"] == "2.0.0" && len(members(o)) == 1 && at(members(o)[0], "host") == "10.1.0.3"
	})
	p.wait("status", "status", func(o map[string]any) bool { return o["inEffect"] == 3.0 })
	s.Discover("shop", "10.1.0.3:8080 2.0.0", "10.1.0.4:8080 2.0.0")
	p.wait("backends", "backend/live", func(o map[string]any) bool { return len(members(o)) == 2 })
	p.wait("services", "service/shop", func(o map[string]any) bool {
		versions, _ := o["versions"].([]any)
		return len(versions) == 1 && at(versions[0], "healthy") == 2.0
	})
	s.do("DELETE", "/frontends/www", "").wants(t, 200, nil)
	p.wait("frontends", "frontend/www", func(o map[string]any) bool { return o == nil })
}

func TestStreamsLimitedToKeys(t *testing.T) {
	s := streamingFixture(t)
	for _, key := range []string{"a", "b"} {
		s.put("/backends/"+key, `{"type":"static","members":[{"host":"10.1.1.1","port":80}]}`)
	}
	p := s.subscriber(t)
	p.next()
	p.say(`{"type":"subscribe","topics":["backends"],"keys":["b"]}`)
	seen := p.until(func(m message) bool { return m.has("backend/b") != nil })
	if seen.has("backend/a") != nil {
		t.Error("another backend is told")
	}
	s.put("/backends/a", `{"type":"static","members":[{"host":"10.1.1.2","port":80}]}`)
	s.put("/backends/b", `{"type":"static","members":[{"host":"10.1.1.3","port":80}]}`)
	if m := p.until(func(m message) bool { return m.Type == "delta" }); m.has("backend/b") == nil || m.has("backend/a") != nil {
		t.Errorf("%+v", m)
	}
}

func TestStreamsGoOnWhereTheyWere(t *testing.T) {
	s := streamingFixture(t)
	s.put("/backends/a", `{"type":"static","members":[{"host":"10.1.1.1","port":80}]}`)
	const topics = `{"type":"subscribe","topics":["backends"]`
	p := s.subscriber(t)
	epoch := p.next().Epoch
	p.say(topics + `}`)
	last := p.until(func(m message) bool { return m.has("backend/a") != nil })
	p.leave()
	s.put("/backends/b", `{"type":"static","members":[{"host":"10.1.1.1","port":80}]}`)
	resume, err := json.Marshal(last.Seq)
	if err != nil {
		t.Fatal(err)
	}
	again := s.subscriber(t)
	again.next()
	again.say(topics + `,"epoch":"` + epoch + `","seq":` + string(resume) + `}`)
	if m := again.next(); m.Type != "resumed" || m.Seq != last.Seq {
		t.Errorf("got %+v", m)
	}
	if m := again.next(); m.Type != "delta" || m.has("backend/b") == nil || m.has("backend/a") != nil {
		t.Errorf("got %+v", m)
	}
	stranger := s.subscriber(t)
	stranger.next()
	stranger.say(topics + `,"epoch":"another","seq":` + string(resume) + `}`)
	if m := stranger.next(); m.Type != "state" || len(m.Objects) != 2 {
		t.Errorf("got %+v", m)
	}
}

func TestStreamsRefuseWhatTheyDoNotKnow(t *testing.T) {
	s := streamingFixture(t)
	for text, want := range map[string]string{
		`{"type":"subscribe","topics":["gossip"]}`: "gossip",
		`{"type":"change","topics":["status"]}`:    "change",
		`subscribe`:                                "the message is not JSON: invalid character",
		`["subscribe"]`:                            "the message is not a JSON object: it is of type array",
		`{"type":"subscribe","topics":"status"}`:   "topics has the wrong type: string",
		`{"type":"subscribe","topics":["status"],"keys":["` + strings.Repeat(`x","`, 6000) + `"]}`: "keys",
		`{"type":"subscribe","topics":["` + strings.Repeat(`status","`, 40) + `"]}`:                "topics",
	} {
		p := s.subscriber(t)
		p.next()
		p.say(text)
		if m := p.next(); m.Type != "error" || !strings.Contains(m.Message, want) {
			t.Errorf("%.60s: %+v", text, m)
		}
		if code := p.closed(); code != 4002 {
			t.Errorf("%.60s: closed with %d", text, code)
		}
	}
}

func TestStreamsAreForCallersWithARole(t *testing.T) {
	s := streamingFixture(t, apitest.Guarded(t))
	if _, status, err := s.dial(t.Context()); err == nil || status != http.StatusUnauthorized {
		t.Errorf("without a token: %v", err)
	}
	if hello := s.subscriber(t, bearer(apitest.ReadToken)).next(); hello.Type != "hello" {
		t.Errorf("with a token: %+v", hello)
	}
	login := s.do("POST", "/session", `{"token":"`+apitest.ReadToken+`"}`)
	cookie, _, _ := strings.Cut(login.header.Get("Set-Cookie"), ";")
	p := s.subscriber(t, "Cookie: "+cookie)
	p.next()
	p.say(`{"type":"subscribe","topics":["status"]}`)
	p.until(func(m message) bool { return m.Topic == "status" })
	s.do("DELETE", "/session", "", "Cookie: "+cookie).wants(t, 200, nil)
	if code := p.closed(); code != 4004 {
		t.Errorf("after the end of the session: closed with %d", code)
	}
}

func TestStreamsOfOtherSitesAreRefused(t *testing.T) {
	s := streamingFixture(t)
	host := strings.TrimPrefix(s.url, "http://")
	s.subscriber(t, "Origin: http://"+host).next()
	s.subscriber(t, "Origin: https://"+host).next() // a proxy may speak TLS
	for _, origin := range []string{"http://evil.example", "null", "http://" + host + ".evil.example", "%"} {
		if _, status, err := s.dial(t.Context(), "Origin: "+origin); err == nil || status != http.StatusForbidden {
			t.Errorf("origin %s: %v", origin, err)
		}
	}
}

func TestStreamsAreWebsocketsOfTheProtocol(t *testing.T) {
	s := streamingFixture(t)
	s.get("/streams").refused(t, http.StatusUpgradeRequired, "upgrade_required")
	s.get("/streams", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").refused(t, http.StatusBadRequest, "invalid")
}

func TestStreamsHaveABound(t *testing.T) {
	s := streamingFixture(t, func(c *api.Config) { c.MaxWebsockets = 2 })
	one, two := s.subscriber(t), s.subscriber(t)
	one.next()
	two.next()
	if _, status, err := s.dial(t.Context()); err == nil || status != http.StatusServiceUnavailable {
		t.Errorf("a third one: %v", err)
	}
	one.leave()
	testkit.Eventually(t, patience, func() error {
		conn, _, err := s.dial(t.Context())
		if err == nil {
			_ = conn.CloseNow()
		}
		return err
	})
}

// An address, or a token from any address, cannot take all websockets.
func TestWebsocketsOfOneCallerHaveABound(t *testing.T) {
	var why atomic.Pointer[string]
	s := streamingFixture(t, func(c *api.Config) {
		c.MaxWebsocketsOfCaller = 2
		c.Refused = func(text string) { why.Store(&text) }
	})
	one, two := s.subscriber(t), s.subscriber(t)
	one.next()
	two.next()
	if _, status, err := s.dial(t.Context()); err == nil || status != http.StatusTooManyRequests {
		t.Errorf("a third one: %d, %v", status, err)
	}
	if text := why.Load(); text == nil || !strings.Contains(*text, "address 127.0.0.1") {
		t.Errorf("refused because %v", text)
	}
	if metrics := string(s.get("/metrics").body); !strings.Contains(metrics, "\nthalassa_websocket_refused 1\n") {
		t.Error("the metrics do not count the refusal")
	}
	one.leave()
	testkit.Eventually(t, patience, func() error {
		conn, _, err := s.dial(t.Context())
		if err == nil {
			_ = conn.CloseNow()
		}
		return err
	})
}

// The keys that one address follows are bounded in bytes, over all its websockets. What one
// gives back, another gets.
func TestKeysOfOneCallerHaveABound(t *testing.T) {
	s := streamingFixture(t)
	keys := make([]string, 5000)
	subscription := func(i int) string {
		for k := range keys {
			keys[k] = fmt.Sprintf("%d-%d-%s", i, k, strings.Repeat("k", 35))
		}
		text, err := json.Marshal(map[string]any{"type": "subscribe", "topics": []string{"backends"}, "keys": keys})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	follow := func(i int) (p *subscriber, follows bool) {
		t.Helper()
		p = s.subscriber(t)
		p.next() // hello
		p.say(subscription(i))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, _, err := p.conn.Read(ctx)
		if code := websocket.CloseStatus(err); err != nil && code != websocket.StatusTryAgainLater {
			t.Fatalf("number %d: %v", i, err)
		}
		return p, err == nil
	}
	var all []*subscriber
	for i := range 20 {
		p, follows := follow(i)
		if !follows {
			break
		}
		all = append(all, p)
	}
	if len(all) < 10 || len(all) == 20 {
		t.Fatalf("%d websockets follow 5000 keys each", len(all))
	}
	few := s.subscriber(t)
	few.next()
	few.say(`{"type":"subscribe","topics":["backends"],"keys":["live"]}`)
	few.until(func(m message) bool { return m.Type == "state" })
	all[0].leave()
	testkit.Eventually(t, patience, func() error {
		p, follows := follow(30)
		defer p.leave()
		if !follows {
			return errors.New("what was given back is not there")
		}
		return nil
	})
}
