package agent_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
)

// crowd are instances of a version, and their ports.
func crowd(version string, from, count int) (instances, ports []string) {
	for i := range count {
		ports = append(ports, fmt.Sprint(from+i))
		instances = append(instances, version+" "+ports[i])
	}
	return instances, ports
}

// TestBackendsGrowAtRunTime: from 3 instances to 300, and the file has the lines. The next
// agent finds them.
func TestBackendsGrowAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		instances, ports := crowd("1.0.0", 1000, 300)
		fx.consul("shop", 1, "", instances[:3]...)
		stop := fx.start()
		if _, err := fx.put(); err != nil {
			t.Fatal(err)
		}
		fx.serves(ports[:3]...)
		before := fx.attempts()
		for n := uint64(4); n <= 300; n += 1 + n/10 {
			fx.consul("shop", n, "", instances[:n]...)
			fx.serves(ports[:n]...)
		}
		fx.consul("shop", 301, "", instances...)
		fx.serves(ports...)
		pause(t.Context(), time.Minute)
		fx.mu.Lock()
		inFile := serversIn(fx.file)
		for i, s := range fx.servers {
			s.Added = false
			if i >= len(inFile) || s.Server != inFile[i].Server || s.Maintenance != inFile[i].Maintenance || !s.Maintenance && s != inFile[i] {
				t.Errorf("HAProxy has %+v, and the file another", s)
			}
		}
		fx.mu.Unlock()
		stop()
		fx.consul("shop", 302, "", instances[100:]...)
		fx.run()
		fx.serves(ports[100:]...)
		if n := fx.attempts() - before; n != 0 || fx.count(activity.ServersRepaired) != 0 {
			t.Errorf("%d reloads, %v", n, fx.verbs())
		}
	})
}

// TestGrowthThatNeedsAReload: the reload has the reason, and HAProxy is not asked again to
// add lines until the configuration is another one.
func TestGrowthThatNeedsAReload(t *testing.T) {
	for name, c := range map[string]struct {
		definition, fixed, why string
		text                   string // of the template, for its line about balance
	}{
		"algorithm": {definition: hashed, why: "backend/b slots: balance source takes no lines at run time"},
		"haproxy":   {fixed: "haproxy said no", why: "backend/b slots: haproxy said no"},
		"template": {
			text: "fullconn 1{{len .Servers}}",
			why:  "process runtime: the template makes more of the number of servers than their lines",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fx := newFixture(t)
				fx.definition, fx.fixed = c.definition, c.fixed
				instances, ports := crowd("1.0.0", 1000, 40)
				if c.text != "" {
					fx.useTemplate("balance {{.Balance}}", "balance {{.Balance}}\n    "+c.text)
				}
				fx.consul("shop", 1, "", instances[:3]...)
				fx.run()
				if _, err := fx.put(); err != nil {
					t.Fatal(err)
				}
				fx.serves(ports[:3]...)
				for i, n := range []int{10, 40} {
					before, tries := fx.attempts(), fx.adjustments()
					fx.consul("shop", uint64(n), "", instances[:n]...)
					fx.serves(ports[:n]...)
					if n := fx.attempts() - before; n != 1 {
						t.Errorf("%d reloads, expected 1", n)
					}
					if n := fx.adjustments() - tries; n > 0 && (c.fixed == "" || i > 0) {
						t.Errorf("%d tries at run time", n)
					}
				}
				diff := []string{}
				for _, e := range fx.eventsOf(activity.HAProxyConfigChanged) {
					diff = append(diff, e.Diff...)
				}
				if !slices.Contains(diff, c.why) {
					t.Errorf("the reason is in none of %q", diff)
				}
			})
		})
	}
}

// TestGrowthWhileAReloadIsRefused goes on at run time, or as far as there is room.
func TestGrowthWhileAReloadIsRefused(t *testing.T) {
	for _, fixed := range []string{"", "haproxy said no"} {
		synctest.Test(t, func(t *testing.T) {
			fx := newFixture(t)
			fx.fixed = fixed
			instances, ports := crowd("1.0.0", 1000, 20)
			fx.ready(instances[:1]...)
			fx.serves(ports[:1]...)
			fx.mu.Lock()
			fx.startRefuses = "balance first"
			fx.mu.Unlock()
			if _, err := fx.putNative("x", "balance first"); err == nil {
				t.Error("it was not refused")
			}
			fx.mu.Lock()
			fx.startRefuses = "balance"
			fx.mu.Unlock()
			fx.consul("shop", 2, "", instances...)
			if fixed == "" {
				fx.serves(ports...)
			} else {
				fx.serves(ports[:4]...)
			}
		})
	}
}
