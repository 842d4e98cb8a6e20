package lb_test

import (
	"fmt"
	"slices"
	"testing"

	"thalassa/lb"
)

func TestAsksAgent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		natives []lb.RawLine
		want    bool
	}{
		{nil, false},
		{[]lb.RawLine{"default-server agent-check agent-port 9"}, true},
		{[]lb.RawLine{"default-server inter 1s agent-port 9", `default-server	"agent-check"`}, true},
		{[]lb.RawLine{"default-server agent-check", "default-server no-agent-check"}, false},
		{[]lb.RawLine{"default-server inter 1s # agent-check"}, false},
		{[]lb.RawLine{"server mine 127.0.0.1:1 agent-check agent-port 9"}, false}, // another owner's
		{[]lb.RawLine{"http-request set-header X agent-check"}, false},
	} {
		if got := (lb.Backend{Natives: c.natives}).AsksAgent(); got != c.want {
			t.Errorf("%q: got %t", c.natives, got)
		}
	}
	for line, want := range map[string]bool{
		"    server {{.Name}} {{.Address}} check agent-check agent-port 9": true,
		"  default-server agent-check":                                     true,
		"  # default-server agent-check":                                   false,
		"  description agent-check":                                        false,
	} {
		if got := lb.AsksAgent(line); got != want {
			t.Errorf("template line %q: got %t", line, got)
		}
	}
}

// TestWeightsThatAnAgentDivides: 50 % of a weight is never nothing where it need not be.
func TestWeightsThatAnAgentDivides(t *testing.T) {
	t.Parallel()
	weights := func(list ...int) []lb.Instance {
		out := make([]lb.Instance, len(list))
		for i, w := range list {
			out[i] = instance(uint16(i+1), func(in *lb.Instance) { in.Weight = w })
		}
		return out
	}
	dynamic := backend(t, "live", `{"type": "dynamic", "service": "shop", "version": "1", "natives": ["default-server agent-check agent-port 9"]}`)
	for _, c := range []struct{ consul, want []int }{
		{[]int{1, 1}, []int{100, 100}},
		{[]int{1, 2, 0}, []int{100, 200, 0}},
		{[]int{1, 10}, []int{26, 256}},
		{[]int{1, 200}, []int{1, 200}},
		{[]int{65535, 65535}, []int{256, 256}},
		{[]int{0}, []int{100}},
	} {
		p := lb.Populate(*dynamic, snapshot(weights(c.consul...)...))
		got := make([]int, len(p.Members))
		for i, m := range p.Members {
			got[i] = m.Weight
		}
		if !slices.Equal(got, c.want) || !p.AgentCheck {
			t.Errorf("%v: got %v, want %v", c.consul, got, c.want)
		}
	}
	static := backend(t, "api", `{"type": "static", "members": [{"host": "10.0.0.1", "port": 80}, {"host": "10.0.0.2", "port": 80}], "natives": ["default-server agent-check agent-port 9"]}`)
	if got := fmt.Sprint(members(lb.Populate(*static, snapshot()))); got != "[80*100 80*100]" {
		t.Errorf("static: got %s", got)
	}
	plain := backend(t, "api", `{"type": "static", "members": [{"host": "10.0.0.1", "port": 80}]}`)
	if got := fmt.Sprint(members(lb.Populate(*plain, snapshot()))); got != "[80*1]" {
		t.Errorf("static without an agent: got %s", got)
	}
	if got := fmt.Sprint(members(lb.Process{AgentChecks: true}.Populate(*plain, snapshot()))); got != "[80*100]" {
		t.Errorf("static with an agent of the template: got %s", got)
	}
}
