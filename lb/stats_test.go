package lb_test

import (
	"testing"

	"thalassa/lb"
)

func TestStatsOfAMember(t *testing.T) {
	t.Parallel()
	member := lb.Member{Address: lb.HostPort{Host: "10.0.0.1", Port: 80}}
	elsewhere := lb.HostPort{Host: "10.0.0.2", Port: 80}
	for name, c := range map[string]struct {
		lines []lb.ServerStats
		want  string // the line's name; empty: none
	}{
		"none":                   {nil, ""},
		"by the slot's address":  {[]lb.ServerStats{{Server: "s1", Address: elsewhere, Status: "UP"}, {Server: "s2", Address: member.Address, Status: "DOWN"}}, "s2"},
		"a slot of former times": {[]lb.ServerStats{{Server: "s1", Address: member.Address, Status: "MAINT"}, {Server: "s2", Address: member.Address, Status: "UP"}}, "s2"},
		"only of former times":   {[]lb.ServerStats{{Server: "s1", Address: member.Address, Status: "MAINT"}}, ""},
		"by name":                {[]lb.ServerStats{{Server: "10.0.0.1:80", Status: "MAINT (resolution)"}}, "10.0.0.1:80"},
	} {
		got, ok := member.Stats(c.lines)
		if got.Server != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", name, got.Server, ok, c.want)
		}
	}
}

func TestResponsesTotal(t *testing.T) {
	t.Parallel()
	s := lb.ServerStats{
		Server: "s1", Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Status: "UP", Weight: 1, Check: "L7OK", Sessions: 2, Queue: 3, Requests: 30,
		Responses:     lb.Responses{Informational: 4, Success: 5, Redirection: 6, ClientError: 7, ServerError: 8, Other: 9},
		ConnectErrors: 10, Redispatches: 11, ResponseErrors: 12, ResponseTimeMS: 13,
	}
	if total := s.Responses.Total(); total != 39 {
		t.Errorf("%d responses", total)
	}
}
