package lb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/lb"
)

func TestMemberChangeNamesEveryBadField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		spec lb.MemberChangeSpec
		want string
	}{
		{lb.MemberChangeSpec{State: "drain", For: "30m", Reason: "new disk"}, ""},
		{lb.MemberChangeSpec{Weight: "256"}, ""},
		{lb.MemberChangeSpec{State: "ready", Weight: "0%"}, ""},
		{lb.MemberChangeSpec{}, "state"},
		{lb.MemberChangeSpec{State: "down", Weight: "257", For: "1ms", Reason: "a\nb"}, "state weight for reason"},
		{lb.MemberChangeSpec{Weight: "101%", For: "9000h"}, "weight for"},
		{lb.MemberChangeSpec{State: "READY", Weight: "-1", For: "soon", Reason: strings.Repeat("x", 201)}, "state weight for reason"},
	} {
		_, err := c.spec.Parse("live", "10.0.0.1:80")
		var paths []string
		if invalid, ok := errors.AsType[*lb.InvalidError](err); ok {
			for _, f := range invalid.Fields {
				paths = append(paths, f.Path)
			}
		}
		if got := strings.Join(paths, " "); got != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%+v: got %q, %v, want %q", c.spec, got, err, c.want)
		}
	}
}

func asked(member uint16, state, weight string) lb.Override {
	o := lb.Override{Backend: "live", Member: lb.HostPort{Host: "10.0.0.1", Port: member}, State: state}
	if weight != "" {
		var err error
		if o.Weight, err = lb.ParseWeighting(weight); err != nil {
			panic(err) // a mistake of the test
		}
	}
	return o
}

// TestOverriddenMembers: an operator's word for a member counts, and its end leaves no
// trace.
func TestOverriddenMembers(t *testing.T) {
	t.Parallel()
	b := *backend(t, "live", `{"type": "dynamic", "service": "shop", "version": "1"}`)
	snap := snapshot(instance(1), instance(2, func(i *lb.Instance) { i.Weight = 2 }))
	text := func(p lb.ResolvedBackend) string {
		out := make([]string, len(p.Members))
		for i, m := range p.Members {
			out[i] = fmt.Sprintf("%d*%d", m.Address.Port, m.Weight)
			if m.Maintenance {
				out[i] += " maint"
			}
		}
		return strings.Join(out, ", ")
	}
	for _, c := range []struct {
		list []lb.Override
		want string
	}{
		{nil, "1*1, 2*2"},
		{[]lb.Override{asked(1, "drain", "")}, "1*0, 2*2"},
		{[]lb.Override{asked(1, "maint", "")}, "1*1 maint, 2*2"},
		{[]lb.Override{asked(2, "ready", "7")}, "1*1, 2*7"},
		{[]lb.Override{asked(1, "ready", "50%")}, "1*50, 2*200"},
		{[]lb.Override{asked(1, "drain", "50%"), asked(2, "maint", "0")}, "1*0, 2*0 maint"},
		{[]lb.Override{asked(9, "drain", "")}, "1*1, 2*2"},
	} {
		snap.Overrides = lb.NewOverrides(c.list)
		p := lb.Populate(b, snap)
		if got := text(p); got != c.want {
			t.Errorf("%v: got %s, want %s", c.list, got, c.want)
		}
		if got := text(p.Overridden(nil)); got != "1*1, 2*2" {
			t.Errorf("%v: %s when it has ended", c.list, got)
		}
	}
	agent := b
	agent.Natives = []lb.RawLine{"default-server agent-check agent-port 9"}
	snap.Overrides = lb.NewOverrides([]lb.Override{asked(1, "maint", "")})
	if got := text(lb.Populate(agent, snap)); got != "1*0 maint, 2*200" {
		t.Errorf("with an agent, whose word may end a maintenance: %s", got)
	}
}

func TestOverridesEnd(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	timed, forever, gone, foreign := asked(1, "drain", ""), asked(2, "maint", ""), asked(3, "drain", ""), asked(4, "drain", "")
	timed.Until, gone.Backend, foreign.Backend = now.Add(time.Minute), "gone", "api"
	o := lb.NewOverrides([]lb.Override{timed, forever, gone, foreign})
	in := lb.Intent{Backends: map[lb.Name]lb.Backend{
		"live": {Key: "live", Type: "dynamic"},
		"api":  {Key: "api", Type: "static", Members: []lb.StaticMember{{HostPort: lb.HostPort{Host: "10.0.0.1", Port: 80}}}},
	}}
	if got := o.NextEnd(); !got.Equal(timed.Until) {
		t.Errorf("the next end is %s", got)
	}
	ports := func(o *lb.Overrides) (out []uint16) {
		for _, x := range o.All() {
			out = append(out, x.Member.Port)
		}
		return out
	}
	living := o.Living(now, in)
	if got := ports(living); !slices.Equal(got, []uint16{1, 2}) {
		t.Errorf("living: %v", got)
	}
	if again := living.Living(now.Add(59*time.Second), in); again != living {
		t.Error("what lives is another value")
	}
	if got := ports(living.Living(now.Add(time.Minute), in)); !slices.Equal(got, []uint16{2}) {
		t.Errorf("after a minute: %v", got)
	}
	if got := living.With(asked(2, "ready", "")); len(got.All()) != 1 {
		t.Errorf("ready again: %v", got.All())
	}
	var none *lb.Overrides
	if none.Living(now, in) != nil || len(none.Of("live")) != 0 || !none.NextEnd().IsZero() {
		t.Error("no overrides have some")
	}
}

// TestOverrideOfANamedMember: it is of the name, also when that is resolved.
func TestOverrideOfANamedMember(t *testing.T) {
	t.Parallel()
	p := lb.ResolvedBackend{Backend: lb.Backend{Key: "live"}, Members: []lb.Member{{Address: lb.HostPort{Host: "127.0.0.1", Port: 80}, Named: "localhost", Weight: 1}}}
	o := lb.NewOverrides([]lb.Override{{Backend: "live", Member: lb.HostPort{Host: "localhost", Port: 80}, State: "drain"}})
	if got := p.Overridden(o).Members[0]; got.Weight != 0 || got.Override == nil {
		t.Errorf("got %+v", got)
	}
	if m, err := p.FindMember("localhost:80", nil); err != nil || m.Given().String() != "localhost:80" {
		t.Errorf("found %+v, %v", m, err)
	}
}

// TestRestoredOverrides: what is asked for now stays, and what is over stays over.
func TestRestoredOverrides(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	in := lb.Intent{Backends: map[lb.Name]lb.Backend{"live": *backend(t, "live", `{"type": "dynamic", "service": "shop", "version": "1"}`)}}
	over, elsewhere := asked(3, "drain", ""), asked(4, "drain", "")
	over.Until, elsewhere.Backend = now, "gone"
	present := lb.NewOverrides([]lb.Override{asked(1, "maint", "")})
	next, added := present.Restored([]lb.Override{asked(1, "drain", ""), asked(2, "ready", "50%"), over, elsewhere}, now, in)
	if fmt.Sprint(added) != "[ready with weight 50%]" || fmt.Sprint(next.All()) != "[maint ready with weight 50%]" || len(present.All()) != 1 {
		t.Errorf("added %v to %v", added, next.All())
	}
}
