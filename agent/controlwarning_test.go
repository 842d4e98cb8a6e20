package agent_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/api/node"
	"thalassa/lb"
)

func (fx *fixture) controlNow() *lb.Control {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	return fx.control
}

// setControl makes ports those that administer the node, which has these addresses.
func (fx *fixture) setControl(ports []uint16, local ...string) {
	c := &lb.Control{}
	for _, p := range ports {
		c.Ports = append(c.Ports, lb.ControlPort{Port: p, Use: "the agent's API"})
	}
	for _, l := range local {
		c.Local = append(c.Local, netip.MustParsePrefix(l))
	}
	fx.mu.Lock()
	fx.control = c
	fx.mu.Unlock()
	select {
	case fx.controlChanged <- struct{}{}:
	default:
	}
}

func (fx *fixture) status() lb.Status {
	fx.t.Helper()
	s, err := fx.agent.Status(fx.t.Context())
	if err != nil {
		fx.t.Fatal(err)
	}
	return s
}

func TestInstanceAtControlAddressIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.setControl([]uint16{10000})
		fx.ready("1.0.0 8001", "1.0.0 10000")
		fx.serves("8001")
		s := fx.status()
		if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "service/shop: instance 1.0.0 10000") || s.Problem != "" {
			t.Errorf("warnings %q, problem %q", s.Warnings, s.Problem)
		}
		if v := s.Discovery[0].Versions[0]; v.Healthy != 1 || v.Total != 2 {
			t.Errorf("versions %+v", v)
		}
		if n := fx.count(activity.MembersLeftOut); n != 1 {
			t.Errorf("%d events", n)
		}
		shown := fx.agent.Snapshot().Services["shop"]
		if i := shown.Instances[1]; i.Refused == "" || i.Healthy {
			t.Errorf("the instance shows as %+v", i)
		}
		if !shown.SameAnswer(fx.agent.Snapshot().Services["shop"]) {
			t.Error("the same answer is another value each time")
		}
		// Its arrival alone, and with others, is nothing that members follow from.
		fx.consul("shop", 2, "", "1.0.0 8001", "1.0.0 8002", "1.0.0 10000")
		fx.serves("8001", "8002")
		if n := fx.count(activity.MembersLeftOut); n != 1 {
			t.Errorf("%d events after the same again", n)
		}
		fx.mu.Lock()
		defer fx.mu.Unlock()
		if i := fx.saved.Services["shop"].Instances[2]; i.Refused != "" || !i.Healthy {
			t.Errorf("the stored snapshot depends on the addresses of this moment: %+v", i)
		}
	})
}

// TestMembersFollowTheNodesAddresses: a floating IP arrives, and leaves.
func TestMembersFollowTheNodesAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.setControl([]uint16{10000})
		fx.ready("1.0.0 8001")
		b, err := node.ParseBackend("static", []byte(`{"type":"static","members":[{"host":"192.0.2.1","port":10000},{"host":"192.0.2.2","port":80}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fx.agent.Edit(t.Context(), lb.Edit{Backend: &b}); err != nil {
			t.Fatal(err)
		}
		has := func() bool { return strings.Contains(fx.config(), "192.0.2.1:10000") }
		if !has() {
			t.Fatal("another node's address is left out")
		}
		fx.setControl([]uint16{10000}, "192.0.2.1/32")
		fx.serves("80", "8001")
		if has() || !strings.Contains(fx.config(), "192.0.2.2:80") {
			t.Error("the floating IP has come, and HAProxy still leads to the API")
		}
		if s := fx.status(); len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "backend/static: 192.0.2.1:10000") {
			t.Errorf("warnings %q", s.Warnings)
		}
		if _, err := fx.agent.Edit(t.Context(), lb.Edit{Backend: &b}); !errors.As(err, new(*lb.InvalidError)) {
			t.Errorf("asking for it again gives %v", err)
		}
		fx.setControl([]uint16{10000})
		fx.serves("10000", "80", "8001")
		if !has() || len(fx.status().Warnings) > 0 {
			t.Error("the floating IP has left, and its member does not come back")
		}
		fx.consul("shop", 2, "", "1.0.0 8001", "1.0.0 9000")
		fx.serves("10000", "80", "8001", "9000")
		fx.setControl([]uint16{9000})
		fx.serves("10000", "80", "8001")
	})
}

func TestEditRefusesControlAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.setControl([]uint16{10000})
		fx.ready("1.0.0 8001")
		revisions := len(fx.revisions)
		for _, body := range []string{
			`{"type":"static","members":[{"host":"127.0.0.2","port":10000}]}`,
			`{"type":"static","members":[{"host":"::ffff:127.0.0.1","port":10000}]}`,
			`{"type":"static","members":[{"host":"localhost","port":10000}]}`,
			`{"type":"static","natives":["server x 127.0.0.1:10000"]}`,
			`{"type":"dynamic","name":"shop","version":"1.0.0","natives":["server x [::1]:10000"]}`,
		} {
			b, err := node.ParseBackend("pwned", []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fx.agent.Edit(t.Context(), lb.Edit{Backend: &b}); !errors.As(err, new(*lb.InvalidError)) {
				t.Errorf("%s gives %v", body, err)
			}
		}
		if len(fx.revisions) != revisions {
			t.Error("a refused backend is stored")
		}
	})
}

// TestStoredControlAddressesAreLeftOut: what an earlier agent took keeps neither this
// one nor HAProxy down.
func TestStoredControlAddressesAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		stop := fx.start()
		for key, body := range map[string]string{
			"members": `{"type":"static","members":[{"host":"127.0.0.1","port":10000},{"host":"192.0.2.9","port":80}]}`,
			"lines":   `{"type":"static","natives":["server x 127.0.0.1:10000","use-server x if TRUE"]}`,
		} {
			b, err := node.ParseBackend(key, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fx.agent.Edit(t.Context(), lb.Edit{Backend: &b}); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		if !strings.Contains(fx.config(), "127.0.0.1:10000") {
			t.Fatal("without control addresses one is left out")
		}
		fx.setControl([]uint16{10000})
		fx.run()
		pause(t.Context(), 2*time.Second)
		synctest.Wait()
		config := fx.config()
		if strings.Contains(config, "127.0.0.1:10000") || !strings.Contains(config, "192.0.2.9:80") || !strings.Contains(config, "server x 127.0.0.1:1 disabled") {
			t.Errorf("HAProxy runs\n%s", config)
		}
		if s := fx.status(); s.Problem != "" || len(s.Warnings) != 2 {
			t.Errorf("problem %q, warnings %q", s.Problem, s.Warnings)
		}
		in, err := fx.agent.Intent(t.Context())
		if err != nil || len(in.Backends["members"].Members) != 2 {
			t.Errorf("what was asked for is changed: %+v, %v", in.Backends["members"].Members, err)
		}
	})
}
