package lb_test

import (
	"strings"
	"testing"

	"thalassa/lb"
)

func TestNamesOfSlots(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	for name, want := range map[string]struct {
		index int
		own   lb.OwnTLS
	}{
		"s1":                {0, lb.OwnTLS{}},
		"s12-notls":         {11, lb.OwnTLS{Off: true}},
		"s3-tls-b.example":  {2, lb.OwnTLS{ServerName: "b.example"}},
		"s3-tls-notls":      {2, lb.OwnTLS{ServerName: "notls"}},
		"s3-tls-x-tls-y":    {2, lb.OwnTLS{ServerName: "x-tls-y"}},
		"s0":                {-1, lb.OwnTLS{}},
		"s01":               {-1, lb.OwnTLS{}},
		"s+1":               {-1, lb.OwnTLS{}},
		"s":                 {-1, lb.OwnTLS{}},
		"s-1":               {-1, lb.OwnTLS{}},
		"s1-":               {-1, lb.OwnTLS{}},
		"s1-web":            {-1, lb.OwnTLS{}},
		"s1-tls-":           {-1, lb.OwnTLS{}},
		"s1-tls-B.example":  {-1, lb.OwnTLS{}}, // the agent writes small letters
		"s1-tls-b.example.": {-1, lb.OwnTLS{}},
		"s1-tls-10.0.0.1":   {-1, lb.OwnTLS{}},
		"s1-tls-" + long:    {-1, lb.OwnTLS{}},
		"s1-tls-b:80":       {-1, lb.OwnTLS{}}, // a static member's name
		"web":               {-1, lb.OwnTLS{}},
	} {
		if index, own := lb.ParseSlotName(name); index != want.index || own != want.own {
			t.Errorf("%s: got %d %+v, want %+v", name, index, own, want)
		}
	}
}

// TestOwnTLSOfInstances: instances say what their backend lets them, and what is not valid leaves
// the settings of the backend in force.
func TestOwnTLSOfInstances(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		allowed string
		meta    map[string]string
		want    lb.OwnTLS
	}{
		{"", map[string]string{"tls": "off", "tls-server-name": "b.example"}, lb.OwnTLS{}},
		{"off", map[string]string{"tls": "off", "tls-server-name": "b.example"}, lb.OwnTLS{Off: true}},
		{"off", map[string]string{"tls": "OFF"}, lb.OwnTLS{Off: true}},
		{"off", map[string]string{"tls": "false"}, lb.OwnTLS{}},
		{"off", map[string]string{"tls": "on"}, lb.OwnTLS{}},
		{"off", map[string]string{"tls-server-name": "b.example"}, lb.OwnTLS{}},
		{"serverName", map[string]string{"tls": "off", "tls-server-name": "B.example"}, lb.OwnTLS{ServerName: "b.example"}},
		{"serverName off", map[string]string{"tls": "on", "tls-server-name": "b.example"}, lb.OwnTLS{ServerName: "b.example"}},
		{"serverName", map[string]string{"tls-server-name": "shop.example"}, lb.OwnTLS{}}, // the backend's
		{"serverName", map[string]string{"tls-server-name": "b.example verify none"}, lb.OwnTLS{}},
		{"serverName", map[string]string{"tls-server-name": "b)\n"}, lb.OwnTLS{}},
		{"serverName", map[string]string{"tls-server-name": strings.Repeat("a.", 200) + "b"}, lb.OwnTLS{}},
		{"serverName", nil, lb.OwnTLS{}},
	} {
		b := lb.BackendSpec{
			Type: "dynamic", Service: "shop", Version: "1", TLS: &lb.MemberTLSSpec{Verify: "corp", ServerName: "shop.example", FromMeta: strings.Fields(c.allowed)},
		}
		backend, err := b.Parse("live")
		if err != nil {
			t.Fatal(err)
		}
		snap := lb.Snapshot{Services: map[lb.Name]lb.Service{"shop": {Name: "shop", Instances: []lb.Instance{
			{ID: "a", Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Version: "1", Meta: c.meta, Healthy: true, Weight: 1},
		}}}}
		if got := lb.Populate(backend, snap).Members[0].TLS; got != c.want {
			t.Errorf("%s %v: got %+v, want %+v", c.allowed, c.meta, got, c.want)
		}
	}
}

// TestFoundMembersSayWhatTheyMay: a member that was found in HAProxy keeps what its line says, as far
// as the backend lets it.
func TestFoundMembersSayWhatTheyMay(t *testing.T) {
	t.Parallel()
	off, named := lb.OwnTLS{Off: true}, lb.OwnTLS{ServerName: "b.example"}
	members := []lb.Member{{TLS: off}, {TLS: named}, {TLS: off, Meta: map[string]string{"tls": "on"}}, {}}
	for allowed, want := range map[string][]lb.OwnTLS{
		"off serverName": {off, named, {}, {}}, "off": {off, {}, {}, {}}, "serverName": {{}, named, {}, {}}, "": {{}, {}, {}, {}},
	} {
		tls := &lb.MemberTLS{Verify: "corp", FromMeta: strings.Fields(allowed)}
		for i, m := range tls.Respeak(members) {
			if m.TLS != want[i] {
				t.Errorf("%s: member %d says %q", allowed, i, m.TLS)
			}
		}
	}
	for i, m := range (*lb.MemberTLS)(nil).Respeak(members) {
		if m.TLS != (lb.OwnTLS{}) {
			t.Errorf("without TLS: member %d says %q", i, m.TLS)
		}
	}
	if members[0].TLS != off {
		t.Error("the members that were given changed")
	}
}

// TestNamesThatAnybodyCanHave: the authorities of the machine vouch for any name, so instances cannot
// choose theirs.
func TestNamesThatAnybodyCanHave(t *testing.T) {
	t.Parallel()
	s := lb.BackendSpec{Type: "dynamic", Service: "shop", Version: "1", TLS: &lb.MemberTLSSpec{Verify: "system", ServerName: "shop.example", FromMeta: []string{"serverName"}}}
	if _, err := s.Parse("live"); err == nil || !strings.Contains(err.Error(), "tls.fromMeta[0]") {
		t.Errorf("got %v", err)
	}
	s.TLS.Verify = "corp"
	b, err := s.Parse("live")
	if err != nil || !strings.Contains(b.TLSWarning(), "chooses for which name") {
		t.Errorf("got %v, %q", err, b.TLSWarning())
	}
}
