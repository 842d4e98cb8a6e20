package cli

import (
	"encoding/json"
	"strings"
	"testing"

	nodeapi "thalassa/api/node"
	"thalassa/client"
)

// shown is a screen that knows a little of everything.
func shown(t *testing.T) *screen {
	t.Helper()
	s := newScreen()
	frame := func(text string) {
		t.Helper()
		var f client.Frame
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			t.Fatal(err)
		}
		if err := s.take(f); err != nil {
			t.Fatal(err)
		}
	}
	frame(`{"type":"hello","label":"edge","version":"1.2.3"}`)
	frame(`{"type":"state","topic":"status","objects":[{"id":"status","revision":7,"inEffect":7,"haproxy":{"running":true,"version":"2.6.12","oldWorkers":1},
		"discovery":[{"service":"shop","stale":"asking consul: connection refused"}]}]}`)
	frame(`{"type":"state","topic":"frontends","objects":[{"id":"frontend/web","bind":"*:80"}]}`)
	frame(`{"type":"state","topic":"backends","objects":[{"id":"backend/live","versions":{"1.0.0":90,"1.1.0":10}},{"id":"backend/old","version":"0.9"}]}`)
	frame(`{"type":"state","topic":"stat","objects":[
		{"id":"stat/frontend/web","type":"frontend","key":"web","status":"OPEN","rate":{"requests":1250.4,"bytesOut":2500000},"connections":{"current":3}},
		{"id":"stat/backend/live","type":"backend","key":"live","status":"UP","members":2,"healthy":1,"rate":{"requests":12.5,"5xx":1},"timesMs":{"response":8}},
		{"id":"stat/backend/old","type":"backend","key":"old","status":"DOWN","rate":{"requests":99}}]}`)
	frame(`{"type":"delta","topic":"stat","changed":[
		{"id":"stat/backend/live/10.0.0.1:80","type":"backendMember","key":"10.0.0.1:80","backend":"live","version":"1.0.0","status":"UP","rate":{"requests":7},"check":{"status":"L7OK"}},
		{"id":"stat/backend/live/10.0.0.2:80","type":"backendMember","key":"10.0.0.2:80","backend":"live","version":"1.1.0","status":"DOWN","rate":null}]}`)
	frame(`{"type":"delta","topic":"stat","changed":[{"id":"stat/backend/live","rate":{"requests":13},"timesMs":{"connect":1}},
		{"id":"stat/backend/live/10.0.0.3:80","type":"backendMember","key":"10.0.0.3:80","backend":"live","status":"UP","rate":{"requests":1,"5xx":0}}]}`)
	frame(`{"type":"delta","topic":"stat","changed":[{"id":"stat/backend/live/10.0.0.3:80","rate":null}]}`)
	return s
}

// text is a screen without its colors.
func text(s *screen) string {
	var b strings.Builder
	for _, l := range s.lines(0, 0) {
		b.WriteString(l.text + "\n")
	}
	return b.String()
}

func TestTopShowsEverything(t *testing.T) {
	s := shown(t)
	text := text(s)
	for _, want := range []string{
		"edge  HAProxy 2.6.12 running, 1 old worker  revision 7, 7 in effect",
		"service shop is stale: asking consul: connection refused",
		"web                  OPEN              *:80                  1.3k       0      3      0      0        0     2.5M",
		"live                 UP        1/2     1.0.0=90,1.1.0=10       13       1      0      0      8",
		"  10.0.0.3:80        UP                                         -       -",
		"old                  DOWN      0/0     0.9                     99       0",
		"  10.0.0.1:80        UP        L7OK    1.0.0                    7       0",
		"  10.0.0.2:80        DOWN              1.1.0                    -       -",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestTopMissesNoHAProxyThatNeedNotBeThere(t *testing.T) {
	s := shown(t)
	s.status.HAProxy = nodeapi.HAProxyStatus{Idle: true}
	if head := s.lines(0, 0)[0]; head != (line{text: "edge  HAProxy not active on this node (Pacemaker)  revision 7, 7 in effect"}) {
		t.Errorf("the head is %+v", head)
	}
}

// Before the agent has told anything nobody is alarmed.
func TestTopBeforeItKnowsAnything(t *testing.T) {
	s := newScreen()
	if head := s.lines(0, 0)[0]; head != (line{text: "thalassa  waiting for the agent"}) {
		t.Errorf("the head is %+v", head)
	}
}

// A narrow window has the columns that tell most, and columns stay columns
// whatever is in them.
func TestTopInANarrowWindow(t *testing.T) {
	s := shown(t)
	long := strings.Repeat("x", 100)
	s.stats["stat/backend/"+long] = figures{Type: "backend", Key: long, Status: "UP"}
	for width, want := range map[int]string{
		200: "BACKEND                                  STATUS    UP      VERSION              REQ/S   ERR/S   CONN  QUEUE     MS     IN/S    OUT/S",
		110: "BACKEND                                  STATUS    UP      VERSION              REQ/S   ERR/S   CONN     MS",
		89:  "BACKEND                                  STATUS    UP         REQ/S   ERR/S   CONN     MS",
	} {
		heading, end := "", -1
		for _, l := range s.lines(width, 0) {
			switch {
			case strings.HasPrefix(l.text, "BACKEND"):
				heading, end = l.text, len([]rune(l.text))
			case end >= 0 && len([]rune(l.text)) != end && !strings.HasPrefix(l.text, "live") && width < 200:
				t.Errorf("at %d: %q does not end below %q", width, l.text, heading)
			}
		}
		if heading != want {
			t.Errorf("at %d the heading is\n%s, want\n%s", width, heading, want)
		}
	}
	if text := text(s); !strings.Contains(text, long) {
		t.Errorf("where there is no window something is cut:\n%s", text)
	}
}

func TestTopSortsAndHides(t *testing.T) {
	s := shown(t)
	order := func() string {
		var names []string
		for _, f := range s.sorted("backend", "") {
			names = append(names, f.Key)
		}
		return strings.Join(names, " ")
	}
	for key, want := range map[key]string{'n': "live old", 'r': "old live", 'e': "live old", 't': "live old"} {
		if !s.press(key) || order() != want {
			t.Errorf("%c gives %s, want %s", key, order(), want)
		}
	}
	before := len(s.lines(0, 0))
	s.press('m')
	if got := len(s.lines(0, 0)); got != before-3 {
		t.Errorf("%d lines without members, %d with them", got, before)
	}
	if s.press('q') || !s.press('x') {
		t.Error("q goes on, or x ends it")
	}
}

func TestTopFitsItsWindow(t *testing.T) {
	s := shown(t)
	for _, size := range [][2]int{{40, 6}, {10, 3}, {200, 50}} {
		lines := s.lines(size[0], size[1])
		if len(lines) > size[1] {
			t.Errorf("%d lines in a window of %d", len(lines), size[1])
		}
		for _, l := range lines {
			if len([]rune(l.text)) > size[0] {
				t.Errorf("%q is wider than %d", l.text, size[0])
			}
			if (l.color != 0) != strings.HasSuffix(l.painted(), "\x1b[0m") {
				t.Errorf("%q leaves its color on", l.painted())
			}
		}
	}
}

func TestTopTellsThatTheAgentIsAway(t *testing.T) {
	s := shown(t)
	if err := s.take(client.Frame{Type: "lost", Message: "connection refused"}); err != nil {
		t.Fatal(err)
	}
	if text := text(s); !strings.Contains(text, "no connection: connection refused") || !strings.Contains(text, "10.0.0.1:80") {
		t.Errorf("got\n%s", text)
	}
}

func TestTopForgetsTroubleThatIsOver(t *testing.T) {
	s := shown(t)
	for _, status := range []string{
		`{"id":"status","problem":"haproxy refuses it","discovery":[{"service":"shop","stale":"gone"},{"service":"till","known":true}]}`,
		`{"id":"status","discovery":[{"service":"shop","known":true},{"service":"till","known":true}]}`,
	} {
		if err := s.take(client.Frame{Type: "delta", Topic: "status", Changed: []json.RawMessage{json.RawMessage(status)}}); err != nil {
			t.Fatal(err)
		}
	}
	if text := text(s); strings.Contains(text, "refuses") || strings.Contains(text, "stale") {
		t.Errorf("got\n%s", text)
	}
}

func TestTopIsNotControlledByPeers(t *testing.T) {
	s := shown(t)
	for _, f := range []client.Frame{
		{Type: "hello", Label: evil, Version: evil},
		{Type: "lost", Message: evil},
		{Type: "delta", Topic: "status", Changed: documents(t, map[string]any{
			"id": "status", "problem": evil, "haproxy": map[string]any{"running": true, "version": evil},
			"discovery": []any{map[string]any{"service": evil, "stale": evil}},
		})},
		{Type: "delta", Topic: "frontends", Changed: documents(t, map[string]any{"id": "frontend/" + evil, "bind": evil})},
		{Type: "delta", Topic: "backends", Changed: documents(t, map[string]any{"id": "backend/" + evil, "version": evil})},
		{Type: "delta", Topic: "stat", Changed: documents(t,
			map[string]any{"id": "1", "type": "frontend", "key": evil, "status": evil},
			map[string]any{"id": "2", "type": "backend", "key": evil, "status": evil},
			map[string]any{"id": "3", "type": "backendMember", "backend": evil, "key": evil, "status": evil, "version": evil, "check": map[string]any{"status": evil}},
		)},
	} {
		if err := s.take(f); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range [][2]int{{0, 0}, {80, 60}, {13, 60}} {
		for _, l := range s.lines(size[0], size[1]) {
			if err := obeyed(l.text); err != nil || strings.Contains(l.text, "\n") {
				t.Errorf("%q: %v", l.text, err)
			}
		}
	}
}

func documents(t *testing.T, objects ...map[string]any) []json.RawMessage {
	t.Helper()
	list := make([]json.RawMessage, len(objects))
	for i, o := range objects {
		data, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = data
	}
	return list
}
