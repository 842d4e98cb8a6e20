package discovery_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"thalassa/discovery"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// registrar runs a Registrar until the test ends or stop is called.
func registrar(t *testing.T, cfg discovery.RegistrarConfig) (r *discovery.Registrar, stop func()) {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = testkit.Logger(t)
	}
	r, err := discovery.NewRegistrar(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r, run(t, r.Run)
}

func TestRegistrarKeepsServicesRegistered(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	w := watch(t, discovery.Config{Address: consul.Address()}, "lb", "site")
	r, stop := registrar(t, discovery.RegistrarConfig{Address: consul.Address(), Interval: 200 * time.Millisecond})
	target, err := net.Listen("tcp", "127.0.0.1:0") // that Consul's check finds alive
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	self := discovery.Registration{
		ID: "lb-1", Name: "lb", Address: "127.0.0.1", Port: 10000, Tags: []string{"blue"}, Meta: map[string]string{"label": "x"},
		Check: &discovery.Check{TCP: target.Addr().String(), Interval: 100 * time.Millisecond, DeregisterCriticalAfter: time.Hour},
	}
	site := discovery.Registration{ID: "site/1", Name: "site", Port: 80}
	r.Set([]discovery.Registration{self, site})
	self.Meta["label"] = "changed afterwards, which nobody sees"

	got := await(t, w, "lb", "this load balancer, passing", status("passing")).Instances[0]
	if got.ID != "lb-1" || got.Address != (lb.HostPort{Host: "127.0.0.1", Port: 10000}) || got.Tags[0] != "blue" || got.Meta["label"] != "x" {
		t.Errorf("registered as %+v", got)
	}
	await(t, w, "site", "a service without a check", instances(1))

	changed := self
	changed.Port, changed.Meta = 10001, map[string]string{"label": "y"}
	r.Set([]discovery.Registration{changed})
	await(t, w, "lb", "another port", func(s lb.Service) bool {
		return len(s.Instances) == 1 && s.Instances[0].Address.Port == 10001 && s.Instances[0].Meta["label"] == "y"
	})
	await(t, w, "site", "the other one taken back", instances(0))

	consul.Deregister("lb-1") // by somebody else
	await(t, w, "lb", "it gone", instances(0))
	await(t, w, "lb", "it registered again", status("passing"))
	consul.Do(http.MethodPut, "/v1/agent/check/deregister/service:lb-1", nil)
	eventually(t, "its check registered again", func() bool {
		return strings.Contains(string(consul.Do(http.MethodGet, "/v1/agent/checks", nil)), "service:lb-1")
	})

	stop()
	if got := string(consul.Do(http.MethodGet, "/v1/agent/services", nil)); got != "{}" {
		t.Errorf("after Run the agent has %s", got)
	}
}

func TestRegistrarOutlivesConsul(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	consul.Kill()
	log := &testkit.Log{}
	r, stop := registrar(t, discovery.RegistrarConfig{Address: consul.Address(), Interval: 200 * time.Millisecond, Logger: loggerTo(log)})
	r.Set([]discovery.Registration{{ID: "lb-1", Name: "lb", Port: 1}})
	registered := func() bool {
		return strings.Contains(string(consul.Do(http.MethodGet, "/v1/agent/services", nil)), "lb-1")
	}
	eventually(t, "a warning", func() bool { return strings.Contains(log.String(), "trying again") })
	consul.StartAgain()
	eventually(t, "the service in a Consul that came late", registered)
	eventually(t, "the end of it in the log", func() bool { return strings.Contains(log.String(), "registered in consul again") })
	consul.Restart()
	eventually(t, "the service in a Consul that lost its state", registered)
	consul.Kill()
	begun := time.Now()
	stop() // with nobody there to take anything back
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("the end took %v", took)
	}
	if !strings.Contains(log.String(), "stays registered") {
		t.Errorf("not told that the service stays:\n%s", log)
	}
}

// A registration that Consul refuses does not keep others from being made, and
// one whose outcome is unknown is taken back in the end.
func TestRegistrarTriesAll(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	r, stop := registrar(t, discovery.RegistrarConfig{Address: consul.Address(), Interval: 200 * time.Millisecond})
	bad := discovery.Registration{ID: "bad", Name: "bad", Port: 1, Check: &discovery.Check{HTTP: "http://x", TCP: "x:1", Interval: -1}}
	good := discovery.Registration{ID: "good", Name: "good", Port: 1}
	r.Set([]discovery.Registration{bad, good, bad})
	services := func() string { return string(consul.Do(http.MethodGet, "/v1/agent/services", nil)) }
	eventually(t, "the good one", func() bool { return strings.Contains(services(), `"good"`) })
	bad.Check = nil
	r.Set([]discovery.Registration{bad, good})
	eventually(t, "the bad one made good", func() bool { return strings.Contains(services(), `"bad"`) })
	stop()
	if got := services(); got != "{}" {
		t.Errorf("after Run the agent has %s", got)
	}
}

// What stays is not taken back at the end; what is not wanted any more is.
func TestRegistrationsThatStay(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	r, stop := registrar(t, discovery.RegistrarConfig{Address: consul.Address()})
	site := discovery.Registration{ID: "site", Name: "site", Port: 80, Stays: true}
	other := discovery.Registration{ID: "other", Name: "other", Port: 81, Stays: true}
	services := func() string { return string(consul.Do(http.MethodGet, "/v1/agent/services", nil)) }
	r.Set([]discovery.Registration{site, other, {ID: "lb", Name: "lb", Port: 82}})
	eventually(t, "all of them", func() bool {
		return strings.Contains(services(), `"site"`) && strings.Contains(services(), `"other"`) && strings.Contains(services(), `"lb"`)
	})
	r.Set([]discovery.Registration{site, {ID: "lb", Name: "lb", Port: 82}})
	eventually(t, "the end of one", func() bool { return !strings.Contains(services(), `"other"`) })
	stop()
	if got := services(); !strings.Contains(got, `"site"`) || strings.Contains(got, `"lb"`) {
		t.Errorf("after Run the agent has %s", got)
	}
}

func TestRegistrarNeedsRights(t *testing.T) {
	t.Parallel()
	consul := testkit.GuardedConsul(t)
	log := &testkit.Log{}
	secret, setRules := consul.NewToken("registrar", `service "lb" { policy = "read" }`)
	r, _ := registrar(t, discovery.RegistrarConfig{Address: consul.Address(), Token: secret, Interval: 200 * time.Millisecond, Logger: loggerTo(log)})
	r.Set([]discovery.Registration{{ID: "lb-1", Name: "lb", Port: 1}})
	eventually(t, "the refusal", func() bool { return strings.Contains(log.String(), "403") })
	if strings.Contains(log.String(), secret) {
		t.Error("the token is in the log")
	}
	setRules(`service "lb" { policy = "write" }`)
	eventually(t, "the service", func() bool {
		return strings.Contains(string(consul.Do(http.MethodGet, "/v1/agent/services", nil)), "lb-1")
	})
}
