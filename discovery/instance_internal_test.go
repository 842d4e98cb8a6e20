package discovery

import (
	"encoding/json"
	"hash/maphash"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"thalassa/consul"
	"thalassa/lb"
)

// reports are checks as the answer for one service has them.
func reports(checks ...consul.Check) []consul.EntryCheck {
	out := make([]consul.EntryCheck, len(checks))
	for i, c := range checks {
		out[i].Check = c
	}
	return out
}

func entry(change func(*consul.Entry)) *consul.Entry {
	e := &consul.Entry{
		Node:    &consul.Node{Node: "n", Address: "10.0.0.1"},
		Service: &consul.Service{ID: "web-1", Port: 80},
		Checks:  reports(consul.Check{CheckID: "serfHealth", Status: "passing"}),
	}
	change(e)
	return e
}

func TestParseInstancesStatus(t *testing.T) {
	t.Parallel()
	stands := func(id, status string) consul.Check { return consul.Check{CheckID: id, Status: status} }
	for want, checks := range map[string][][]consul.Check{
		"passing": {nil, {}, {stands("a", "passing")}, {stands("a", "passing"), stands("b", "passing")}},
		"warning": {{stands("a", "warning"), stands("b", "passing")}},
		"critical": {
			{stands("a", "warning"), stands("b", "critical"), stands("c", "passing")},
			{stands("a", "sideways")},
			{stands("a", "")},
			{{}},
		},
		"maintenance": {
			{stands("_node_maintenance", "critical")},
			{stands("_service_maintenance:web-1", "critical"), stands("a", "passing")},
			{stands("_service_maintenance:web-1", "passing"), stands("a", "critical")},
		},
	} {
		for _, c := range checks {
			for _, acceptWarning := range []bool{false, true} {
				got, _ := parseInstances([]*consul.Entry{entry(func(e *consul.Entry) { e.Checks = reports(c...) })}, acceptWarning)
				healthy := want == "passing" || want == "warning" && acceptWarning
				if got[0].Status != want || got[0].Healthy != healthy {
					t.Errorf("%+v, warnings accepted %t: %s, healthy %t, want %s and %t", c, acceptWarning, got[0].Status, got[0].Healthy, want, healthy)
				}
			}
		}
	}
}

func TestParseInstancesAddressAndWeight(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*consul.Entry)
		want   string // address and weight; empty: left out
	}{
		"node's":            {func(*consul.Entry) {}, "10.0.0.1:80 1"},
		"service's":         {func(e *consul.Entry) { e.Service.Address = "10.0.0.2" }, "10.0.0.2:80 1"},
		"IPv6":              {func(e *consul.Entry) { e.Service.Address = "2001:db8::0001" }, "[2001:db8::1]:80 1"},
		"a name":            {func(e *consul.Entry) { e.Service.Address = "Web.Example" }, "web.example:80 1"},
		"no node":           {func(e *consul.Entry) { e.Node = nil; e.Service.Address = "10.0.0.2" }, "10.0.0.2:80 1"},
		"no address at all": {func(e *consul.Entry) { e.Node.Address = "" }, ""},
		"every address":     {func(e *consul.Entry) { e.Service.Address = "0.0.0.0" }, ""},
		"a line break":      {func(e *consul.Entry) { e.Service.Address = "10.0.0.2\nserver evil" }, ""},
		"a blank":           {func(e *consul.Entry) { e.Service.Address = "10.0.0.2 check" }, ""},
		"a port in it":      {func(e *consul.Entry) { e.Service.Address = "10.0.0.2:81" }, ""},
		"port 0":            {func(e *consul.Entry) { e.Service.Port = 0 }, ""},
		"port -1":           {func(e *consul.Entry) { e.Service.Port = -1 }, ""},
		"port 65536":        {func(e *consul.Entry) { e.Service.Port = 65536 }, ""},
		"the default of several": {func(e *consul.Entry) {
			e.Service.Ports = []consul.Port{{Name: "a", Port: 81}, {Name: "b", Port: 82, Default: true}}
		}, "10.0.0.1:82 1"},
		"no service":   {func(e *consul.Entry) { e.Service = nil }, ""},
		"weight":       {func(e *consul.Entry) { e.Service.Weights = consul.Weights{Passing: 5, Warning: 2} }, "10.0.0.1:80 5"},
		"great weight": {func(e *consul.Entry) { e.Service.Weights.Passing = 1 << 30 }, "10.0.0.1:80 65535"},
		"negative":     {func(e *consul.Entry) { e.Service.Weights.Passing = -5 }, "10.0.0.1:80 1"},
		"no traffic in warning": {func(e *consul.Entry) {
			e.Service.Weights = consul.Weights{Passing: 3}
			e.Checks[0].Status = "warning"
		}, "10.0.0.1:80 0"},
		"no weights in warning": {func(e *consul.Entry) { e.Service.Weights = consul.Weights{}; e.Checks[0].Status = "warning" }, "10.0.0.1:80 1"},
		"warning weight":        {func(e *consul.Entry) { e.Service.Weights.Warning = 2; e.Checks[0].Status = "warning" }, "10.0.0.1:80 2"},
	} {
		got, out := parseInstances([]*consul.Entry{entry(test.change)}, false)
		have := ""
		if len(got) == 1 {
			have = got[0].Address.String() + " " + strconv.Itoa(got[0].Weight)
		}
		if have != test.want {
			t.Errorf("%s: %q, want %q", name, have, test.want)
		}
		if (test.want == "") != (len(out) == 1 && out[0].reason != "") {
			t.Errorf("%s: left out %+v", name, out)
		}
	}
}

func TestParseInstancesBoundsWhatIsOnlyShown(t *testing.T) {
	t.Parallel()
	got, _ := parseInstances([]*consul.Entry{entry(func(e *consul.Entry) {
		e.Service.ID = strings.Repeat("ä", 5000)
		e.Service.Meta = map[string]string{"version": "1.0", "long": strings.Repeat("x", 5000), strings.Repeat("k", 5000): "v"}
		for i := range 500 {
			e.Service.Meta["key"+strconv.Itoa(i)] = "a\nline"
			e.Service.Tags = append(e.Service.Tags, "t"+strconv.Itoa(i), strings.Repeat("t", 5000))
		}
	})}, false)
	i := got[0]
	if len(i.ID) > maxText || !utf8.ValidString(i.ID) {
		t.Errorf("id of %d bytes", len(i.ID))
	}
	if len(i.Meta) != maxMeta || i.Meta["key0"] != "a\nline" {
		t.Errorf("%d pairs, key0 %q", len(i.Meta), i.Meta["key0"])
	}
	for k, v := range i.Meta {
		if len(k) > maxText || len(v) > maxText {
			t.Errorf("meta of %d and %d bytes", len(k), len(v))
		}
	}
	if len(i.Tags) != maxTags || i.Tags[0] != "t0" {
		t.Errorf("%d tags, the first %q", len(i.Tags), i.Tags[0])
	}
	if i.Version != "1.0" {
		t.Errorf("version %q though its pair may be dropped", i.Version)
	}
}

// Whatever Consul says, what comes out is safe to be rendered.
func FuzzParseInstances(f *testing.F) {
	f.Add([]byte(`[{"Node":{"Node":"n","Address":"10.0.0.1"},"Service":{"ID":"a","Port":80,"Meta":{"version":"1"},"Tags":["1"]},"Checks":[{"Status":"passing"}]}]`))
	f.Add([]byte(`[null,{"Service":null},{"Service":{"Address":"a b","Port":1}},{"Checks":[null],"Service":{"Address":"::1","Port":65535,"Weights":{"Passing":-1}}}]`))
	seed := maphash.MakeSeed()
	f.Fuzz(func(t *testing.T, data []byte) {
		var entries []*consul.Entry
		if json.Unmarshal(data, &entries) != nil {
			return
		}
		digestOf(seed, "web", entries)
		kept, out := parseInstances(entries, true)
		if len(kept)+len(out) != len(entries) {
			t.Fatalf("%d kept and %d left out of %d", len(kept), len(out), len(entries))
		}
		for _, i := range kept {
			if host, err := lb.ParseHost(string(i.Address.Host)); err != nil || host != i.Address.Host || i.Address.Port == 0 {
				t.Errorf("address %q: %v", i.Address, err)
			}
			if i.Version != "" {
				if _, err := lb.ParseVersion(string(i.Version)); err != nil {
					t.Error(err)
				}
			}
			if i.Weight < 0 || i.Weight > 65535 || len(i.Meta) > maxMeta || len(i.Tags) > maxTags {
				t.Errorf("unbounded: %+v", i)
			}
		}
	})
}

func TestDigestsAgreeHoweverTheyWereMade(t *testing.T) {
	t.Parallel()
	seed := maphash.MakeSeed()
	checks := []consul.Check{
		{Node: "n1", CheckID: "serfHealth", Status: "passing"},
		{Node: "n2", CheckID: "serfHealth", Status: "passing"},
		{Node: "n3", CheckID: "serfHealth", Status: "critical"},
		{Node: "n1", CheckID: "a", ServiceID: "a", ServiceName: "web", Status: "passing"},
		{Node: "n1", CheckID: "b", ServiceID: "b", ServiceName: "web", Status: "warning"},
		{Node: "n2", CheckID: "c", ServiceID: "c", ServiceName: "web", Status: "passing"},
		{Node: "n2", CheckID: "d", ServiceID: "d", ServiceName: "api", Status: "passing"},
	}
	catalog := func(change func([]consul.Check)) *digests {
		list := append([]consul.Check(nil), checks...)
		change(list)
		v := newDigests(seed)
		for i := range list {
			v.add(list[len(list)-1-i]) // in another order
		}
		return v
	}
	on := func(node string, list ...consul.Check) *consul.Entry {
		return &consul.Entry{Node: &consul.Node{Node: node}, Checks: reports(list...)}
	}
	service, nodes := digestOf(seed, "Web", []*consul.Entry{
		on("n1", checks[0], checks[3]), on("n1", checks[0], checks[4]), on("n2", checks[1], checks[5]),
	})
	for name, test := range map[string]struct {
		change func([]consul.Check)
		same   bool
	}{
		"as it is":             {func([]consul.Check) {}, true},
		"another service's":    {func(c []consul.Check) { c[6].Status = "critical" }, true},
		"another node's":       {func(c []consul.Check) { c[2].Status = "passing" }, true},
		"an own check":         {func(c []consul.Check) { c[3].Status = "critical" }, false},
		"a node's":             {func(c []consul.Check) { c[1].Status = "critical" }, false},
		"one gone":             {func(c []consul.Check) { c[4].ServiceName = "other" }, false},
		"two change places":    {func(c []consul.Check) { c[3].Status, c[4].Status = c[4].Status, c[3].Status }, false},
		"a check on the nodes": {func(c []consul.Check) { c[2].Node = "n1" }, false},
	} {
		if got := catalog(test.change).of("web", nodes) == service; got != test.same {
			t.Errorf("%s: the same %t, want %t", name, got, test.same)
		}
	}
}
