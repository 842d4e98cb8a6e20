package agent_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/api/node"
	"thalassa/lb"
)

// edit puts a backend with a body of the API.
func (fx *fixture) edit(key, body string) (lb.Applied, error) {
	fx.t.Helper()
	e, err := node.ParsePut(key, []byte(body))
	if err != nil {
		fx.t.Fatal(err)
	}
	return fx.agent.Edit(fx.t.Context(), e)
}

// lead puts a frontend in front of a backend.
func (fx *fixture) lead(key, bind, backend string) (lb.Applied, error) {
	fx.t.Helper()
	f, err := node.ParseFrontend(key, []byte(`{"bind":"`+bind+`","backend":"`+backend+`"}`))
	if err != nil {
		fx.t.Fatal(err)
	}
	return fx.agent.Edit(fx.t.Context(), lb.Edit{Frontend: &f})
}

func (fx *fixture) empty() string {
	fx.t.Helper()
	st, err := fx.agent.Status(fx.t.Context())
	if err != nil {
		fx.t.Fatal(err)
	}
	var out []string
	for _, e := range st.Empty {
		out = append(out, e.ID)
	}
	return strings.Join(out, " ")
}

// While a frontend leads to a backend, a PUT takes its last members away only by force.
func TestPutLeavesNoBackendWithoutMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.1.0 1101 sick")
		if applied, err := fx.lead("www", "127.0.0.1:80", "b"); err != nil || len(applied.Warnings) > 0 {
			t.Fatalf("%+v, %v", applied, err)
		}
		for body, reason := range map[string]string{
			`{"type":"dynamic","name":"shop","version":"1.1.0"}`:                       "version 1.1.0 of service shop has no healthy instance; Consul knows 1.0.0 (1 of 1 healthy), 1.1.0 (0 of 1 healthy)",
			`{"type":"dynamic","name":"shop","version":"7","wait":"10ms"}`:             "version 7 of service shop has no healthy instance after 10ms; Consul knows 1.0.0 (1 of 1 healthy), 1.1.0 (0 of 1 healthy)",
			`{"type":"dynamic","name":"shop","versions":{"1.0.0":50,"7":50}}`:          "version 7 of service shop has no healthy instance; Consul knows 1.0.0 (1 of 1 healthy), 1.1.0 (0 of 1 healthy)",
			`{"type":"dynamic","name":"shop","version":"7","natives":["fullconn 10"]}`: "version 7 of service shop has no healthy instance; Consul knows 1.0.0 (1 of 1 healthy), 1.1.0 (0 of 1 healthy)",
		} {
			_, err := fx.edit("b", body)
			if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || conflict.Reason != reason {
				t.Errorf("%s: %v, want %s", body, err, reason)
			}
		}
		if _, err := fx.edit("b", `{"type":"dynamic","name":"silent","version":"1"}`); err == nil {
			t.Error("a service that Consul says nothing about is taken")
		}
		fx.serves("1001")
		if got := fx.empty(); got != "" {
			t.Errorf("empty: %s", got)
		}
		applied, err := fx.edit("b", `{"type":"dynamic","name":"shop","version":"1.1.0","force":true}`)
		if err != nil || len(applied.Warnings) != 1 || !strings.HasPrefix(applied.Warnings[0], "backend/b has no member: version 1.1.0 of service shop") {
			t.Errorf("forced: %+v, %v", applied, err)
		}
		if got := fx.empty(); got != "backend/b" {
			t.Errorf("empty: %q", got)
		}
		if applied, err = fx.edit("b", `{"type":"dynamic","name":"shop","version":"1.1.0","balance":"leastconn"}`); err != nil || len(applied.Warnings) != 1 {
			t.Errorf("only an option: %+v, %v", applied, err)
		}
		if applied, err = fx.lead("other", "127.0.0.1:81", "b"); err != nil || len(applied.Warnings) != 1 {
			t.Errorf("another frontend leads there: %+v, %v", applied, err)
		}
		if !slices.ContainsFunc(fx.noted(activity.ConfigurationChanged), func(e activity.Event) bool { return slices.Equal(e.Reasons, applied.Warnings) }) {
			t.Error("no event has the warning")
		}
	})
}

func (fx *fixture) noted(verb activity.Verb) []activity.Event {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(fx.events), func(e activity.Event) bool { return e.Verb != verb })
}

func TestPutWaitsForAHealthyInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		if _, err := fx.lead("www", "127.0.0.1:80", "b"); err != nil {
			t.Fatal(err)
		}
		go func() {
			pause(t.Context(), 3*time.Second)
			fx.consul("shop", 2, "", "1.0.0 1001", "2.0.0 2001")
		}()
		applied, err := fx.edit("b", `{"type":"dynamic","name":"shop","version":"2.0.0","wait":"1m"}`)
		if err != nil || !applied.Applied || len(applied.Warnings) > 0 {
			t.Errorf("%+v, %v", applied, err)
		}
		fx.serves("2001")
	})
}

// A backend that no frontend leads to may be prepared; the answer and the status say so.
func TestBackendsArePreparedWithoutMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		applied, err := fx.edit("next", `{"type":"dynamic","name":"shop","version":"2.0.0"}`)
		if err != nil || len(applied.Warnings) != 1 {
			t.Errorf("%+v, %v", applied, err)
		}
		if applied, err = fx.edit("list", `{"type":"static"}`); err != nil || len(applied.Warnings) != 1 {
			t.Errorf("%+v, %v", applied, err)
		}
		if got := fx.empty(); got != "backend/list backend/next" {
			t.Errorf("empty: %q", got)
		}
		fx.consul("shop", 2, "", "1.0.0 1001", "2.0.0 2001")
		pause(t.Context(), time.Second)
		if got := fx.empty(); got != "backend/list" {
			t.Errorf("empty: %q", got)
		}
	})
}
