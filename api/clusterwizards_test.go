package api_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster/config"
	"thalassa/lb"
)

// wizardAnswer is the part of an answer of a wizard that tests look at.
type wizardAnswer struct {
	Draft struct {
		ID, Message string
		Objects     []string
		Edits       []struct{ Method, Path string }
	}
	Problem string
	Changes []string
	Objects []struct{ Object, Before, After string }
}

func TestWizardsOfTheCluster(t *testing.T) {
	s, c := configuredCluster(t)
	var list struct {
		Wizards []struct {
			Name   string
			Fields []struct {
				Name, Kind string
				Required   bool
				Choices    []string
			}
		}
	}
	s.get("/cluster/wizards").wants(t, 200, &list)
	if len(list.Wizards) != 5 || list.Wizards[0].Name != "floating-ip" || list.Wizards[3].Name != "fence-device" {
		t.Fatalf("%+v", list)
	}
	if f := list.Wizards[3].Fields; !f[0].Required || !slices.Equal(f[1].Choices, []string{"stonith:external/ipmi"}) || !slices.Equal(f[2].Choices, []string{"n1"}) {
		t.Errorf("fields of the fence device: %+v", f)
	}

	// A new draft.
	r := s.do("POST", "/cluster/wizards/floating-ip", `{"values":{"id":"shop","ip":"192.0.2.77/24","interval":null},"message":"the shop"}`)
	var got wizardAnswer
	r.wants(t, 201, &got)
	if r.header.Get("Location") != "/cluster/drafts/1" || got.Draft.ID != "1" || got.Draft.Message != "the shop" || !slices.Equal(got.Draft.Objects, []string{"primitives/shop"}) ||
		len(got.Objects) != 1 || !strings.Contains(got.Objects[0].After, "192.0.2.77") || got.Problem != "" {
		t.Errorf("%+v", got)
	}
	s.get("/cluster/config/primitives/shop").refused(t, 404, "not_found")

	// More in the same one: on top of what it has.
	var more wizardAnswer
	s.do("POST", "/cluster/wizards/fence-device", `{"draft":"1","values":{"agent":"stonith:external/ipmi","id":"f1","nodes":"n1","params.hostname":"n1","params.passwd":"topsecret8"}}`).wants(t, 200, &more)
	if !slices.Equal(more.Draft.Objects, []string{"primitives/f1", "primitives/shop"}) {
		t.Errorf("%+v", more)
	}
	if f := s.do("POST", "/cluster/wizards/floating-ip", `{"draft":"1","values":{"id":"other","ip":"192.0.2.77"}}`).refused(t, 400, "invalid"); f.Fields[0].Path != "values.ip" {
		t.Errorf("an address of the draft: %+v", f)
	}
	s.get("/cluster/wizards?draft=1").wants(t, 200, &list)
	if with := list.Wizards[0].Fields[4]; !slices.Contains(with.Choices, "shop") {
		t.Errorf("choices in the draft: %+v", with)
	}
	if body := s.get("/cluster/drafts/1/diff").body; strings.Contains(string(body), "topsecret8") {
		t.Errorf("the difference has a password: %s", body)
	}
	s.do("POST", "/cluster/drafts/1/commit", "").wants(t, 200, nil)
	same(t, s.get("/cluster/config/primitives/shop").body, `{"id": "shop", "agent": "ocf:heartbeat:IPaddr2", "params": {"cidr_netmask": "24", "ip": "192.0.2.77"}, "ops": [
		{"id": "shop-start-0s", "interval": "0s", "name": "start", "timeout": "20s"}, {"id": "shop-stop-0s", "interval": "0s", "name": "stop", "timeout": "20s"},
		{"id": "shop-monitor-10s", "interval": "10s", "name": "monitor", "timeout": "20s"}]}`)
	configuration, _, _ := c.Configuration()
	if got := configuration.ByID("f1").Pair("instance_attributes", "passwd"); got != "topsecret8" {
		t.Errorf("the password is %q", got)
	}

	// What the agent says against it is a warning.
	var doubted struct{ Warnings []string }
	s.do("POST", "/cluster/wizards/floating-ip", `{"values":{"id":"far","ip":"192.0.2.66"}}`).wants(t, 201, &doubted)
	if !slices.Contains(doubted.Warnings, "on this node, the agent of far says: not configured: findif failed for ip") {
		t.Errorf("%+v", doubted)
	}

	// HAProxy, as thalassa cluster apply makes it.
	var haproxy wizardAnswer
	s.do("POST", "/cluster/wizards/haproxy", `{"values":{"ip":"192.0.2.88/24","name":"edge"}}`).wants(t, 201, &haproxy)
	if want := []string{"clones/edge-clone", "colocations/edge-thalassa-with", "orders/edge-thalassa-after", "primitives/edge", "primitives/edge-vip"}; !slices.Equal(haproxy.Draft.Objects[:5], want) {
		t.Errorf("%+v", haproxy.Draft.Objects)
	}
}

func TestWizardsRefuse(t *testing.T) {
	s := configured(t)
	for body, path := range map[string]string{
		``:                      "body",
		`{}`:                    "values",
		`{"values":[]}`:         "values",
		`{"values":{"ip":[1]}}`: "values.ip",
		`{"values":{"ip":"192.0.2.77","ip":"192.0.2.78"}}`: "values.ip",
		`{"values":{"ip":"somewhere"}}`:                    "values.ip",
		`{"values":{"ip":"192.0.2.77","id":"vip"}}`:        "values.id",
		`{"values":{"ip":"192.0.2.77","id":"l1"}}`:         "values.id",
		`{"values":{"ip":"192.0.2.77","mask":24}}`:         "values.mask",
		`{"values":{"ip":"192.0.2.77"},"draft":"a b"}`:     "draft",
		`{"values":{},"draft":"1","message":"x"}`:          "message",
		`{"values":{},"drafts":"1"}`:                       "drafts",
	} {
		if f := s.do("POST", "/cluster/wizards/floating-ip", body).refused(t, 400, "invalid"); f.Fields[0].Path != path {
			t.Errorf("%s: %+v, expected %s", body, f, path)
		}
	}
	s.do("POST", "/cluster/wizards/nope", `{"values":{}}`).refused(t, 404, "not_found")
	s.do("POST", "/cluster/wizards/floating-ip", `{"values":{"id":"a","ip":"192.0.2.77"},"draft":"9"}`).refused(t, 404, "not_found")
	s.do("POST", "/cluster/wizards/floating-ip?draft=9", `{"values":{"ip":"192.0.2.77"}}`).refused(t, 400, "invalid")
	s.get("/cluster/wizards?draft=9").refused(t, 404, "not_found")
	if f := s.do("POST", "/cluster/wizards/web-server", `{"values":{"ip":"192.0.2.77"}}`).refused(t, 400, "invalid"); f.Fields[0].Path != "values.server" || !strings.Contains(f.Error, "not installed") {
		t.Errorf("%+v", f)
	}
	same(t, s.get("/cluster/drafts").body, `[]`)
	newFixture(t).get("/cluster/wizards").refused(t, 404, "not_found")
	newFixture(t).do("POST", "/cluster/wizards/floating-ip", `{"values":{}}`).refused(t, 404, "not_found")
}

// TestWizardWithoutPrediction keeps the draft where the simulation fails, and says why.
func TestWizardWithoutPrediction(t *testing.T) {
	s, _ := clustered(t, func(cfg *api.Config) { cfg.ClusterForesight = blindForesight{apitest.NewCluster()} })
	var got wizardAnswer
	s.do("POST", "/cluster/wizards/floating-ip", `{"values":{"id":"shop","ip":"192.0.2.77/24"}}`).wants(t, 201, &got)
	if got.Draft.ID != "1" || !strings.Contains(got.Problem, "no scheduler") {
		t.Errorf("%+v", got)
	}
	s.get("/cluster/drafts/1").wants(t, 200, nil)
}

// blindForesight simulates nothing.
type blindForesight struct{ *apitest.Cluster }

func (blindForesight) Foresee(context.Context, config.Question) (config.Foreseen, error) {
	return config.Foreseen{}, &lb.UnavailableError{What: "there is no scheduler"}
}
