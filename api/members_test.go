package api_test

import (
	"net/url"
	"testing"
)

func TestSetMember(t *testing.T) {
	s := filledFixture(t)
	type member struct {
		Host     string
		Override *struct {
			State, By, Reason string
			Weight            any
		}
		Applied bool
		Path    string
	}
	path := "/backends/live/members/"
	var got member
	s.do("POST", path+"10.1.0.1:8080", `{"state":"drain","reason":"new disk","for":"30m"}`).wants(t, 200, &got)
	if got.Host != "10.1.0.1" || !got.Applied || got.Override == nil || got.Override.State != "drain" || got.Override.Reason != "new disk" || got.Override.By == "" {
		t.Errorf("answer %+v", got)
	}
	read := s.get("/backends/live")
	var shown struct{ Members []member }
	read.wants(t, 200, &shown)
	if shown.Members[0].Override == nil || shown.Members[1].Override != nil {
		t.Errorf("shown as %s", read.body)
	}
	s.do("PUT", "/backends/live", string(read.body)).wants(t, 200, nil) // what was read can be put back
	got = member{}
	s.do("POST", path+url.PathEscape("/shop/1.0.0/10.1.0.1/8080"), `{"weight":"50%"}`).wants(t, 200, &got)
	if got.Override == nil || got.Override.State != "drain" || got.Override.Weight != "50%" {
		t.Errorf("a weight alone: %+v", got.Override)
	}
	got = member{}
	s.do("POST", path+"10.1.0.1:8080", `{"state":"ready"}`).wants(t, 200, &got)
	if got.Override != nil {
		t.Errorf("ready: %+v", got.Override)
	}
}

func TestSetMemberRefuses(t *testing.T) {
	s := filledFixture(t)
	path := "/backends/live/members/10.1.0.1:8080"
	for body, field := range map[string]string{
		`{}`:                              "state",
		`{"state":"off"}`:                 "state",
		`{"weight":"50"}`:                 "weight",
		`{"weight":257}`:                  "weight",
		`{"weight":1.5}`:                  "weight",
		`{"state":"drain","for":"never"}`: "for",
		`{"state":"drain","until":"x"}`:   "until",
		`[]`:                              "body",
	} {
		if f := s.do("POST", path, body).refused(t, 400, "invalid"); f.Fields[0].Path != field {
			t.Errorf("%s: fields %+v, want %s", body, f.Fields, field)
		}
	}
	s.do("POST", "/backends/live/members/10.9.9.9:1", `{"state":"drain"}`).refused(t, 404, "not_found")
	s.do("POST", "/backends/gone/members/10.1.0.1:8080", `{"state":"drain"}`).refused(t, 404, "not_found")
}
