package agent_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"thalassa/lb"
)

// What raw lines name of the machine's network and it has not, and members that it has no
// route to, are told with the answer to the change, and in the status until they are there.
func TestWhatTheMachineHasNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		isThere := false
		fx.hasRoute = func(h lb.Host) bool { return h != "2001:db8::1" || isThere }
		fx.hasLocal = func(u lb.LocalUse) bool { return u.Interface != "eth7" || isThere }
		fx.ready("1.0.0 1001")
		for _, c := range []struct{ key, body, want string }{
			{"c", `{"type":"static","members":[{"host":"10.0.0.1","port":80},{"host":"2001:db8::1","port":80}]}`, "backend/c: this machine has no route to 2001:db8::1, so these members get no requests"},
			{"d", `{"type":"static","members":[{"host":"2001:db8::1","port":80}]}`, "backend/d has no member: this machine has no route to its members: 2001:db8::1"},
			{"e", `{"type":"static","members":[{"host":"2001:db8::1","port":80}],"natives":["default-server namespace blue"]}`, ""},
			{"f", `{"type":"static","members":[{"host":"10.0.0.1","port":80}],"natives":["source 0.0.0.0 interface eth7"]}`, `backend/f: natives[0]: this machine has no interface "eth7", so HAProxy does as if the line did not name one`},
		} {
			applied, err := fx.edit(c.key, c.body)
			if err != nil || !applied.Applied || strings.Join(applied.Warnings, "|") != c.want {
				t.Errorf("%s: %+v, %v", c.body, applied, err)
			}
		}
		if empty := fx.empty(); empty != "backend/d" {
			t.Errorf("empty: %s", empty)
		}
		says := func(part string) bool {
			st, err := fx.agent.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(st.Warnings, func(w string) bool { return strings.Contains(w, part) })
		}
		for _, part := range []string{"backend/c: this machine has no route", `no interface "eth7"`} {
			if !says(part) {
				t.Errorf("the status does not say %q", part)
			}
		}
		isThere = true
		if _, err := fx.edit("g", `{"type":"static","members":[{"host":"10.0.0.1","port":80}]}`); err != nil {
			t.Fatal(err)
		}
		if says("no route") || says("eth7") || fx.empty() != "" {
			t.Error("the status still says so")
		}
	})
}
