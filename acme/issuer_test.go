package acme_test

import (
	"fmt"
	"testing"
	"time"

	"thalassa/acme"
	"thalassa/activity"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// A certificate is ordered, told of, and kept over a restart, which orders nothing. Until
// then a stand-in serves.
func TestOrder(t *testing.T) {
	t.Parallel()
	p := testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	dir := t.TempDir()
	look := make(chan func() lb.OrderStatus, 1)
	looked := make(chan lb.OrderStatus, 10)
	n := startNode(t, dir, p, func(c *acme.Config) {
		c.BeforeStep = func(step string) {
			if step == "record" {
				looked <- (<-look)()
			}
		}
	})
	p.SetAway(true)
	a := n.order(p, "shop.example", "www.shop.example")
	look <- func() lb.OrderStatus { return n.Status(a) }
	if leaf := n.leaf(a); n.IsIssued(a) || leaf.Subject.CommonName != "Thalassa: no certificate issued yet" {
		t.Errorf("the stand-in is %s", leaf.Subject)
	}
	n.await(a, "failed", func(s lb.OrderStatus) bool {
		return s.State == lb.OrderFailed && s.Error != "" && s.Next.After(time.Now())
	})
	p.SetAway(false)
	must(t, n.Renew(lb.Certificate{Key: "shop", ACME: &a}))
	leaf := n.awaitIssued(a)
	if s := <-looked; s.State != lb.OrderUnderWay {
		t.Errorf("before what is issued is recorded: %+v", s)
	}
	verify(t, p, n, a)
	if told := n.events.of(activity.CertificateRenewed); len(told) != 1 || told[0].Object.ID != "certificate/shop" {
		t.Errorf("told %+v", told)
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); n.Status(a).Next.Before(leaf.NotBefore.Add(life*6/10)) || n.Status(a).Next.After(leaf.NotBefore.Add(life*2/3)) {
		t.Errorf("renewal at %s of %s to %s", n.Status(a).Next, leaf.NotBefore, leaf.NotAfter)
	}
	n.stop()
	again := startNode(t, dir, p, nil)
	<-time.After(300 * time.Millisecond)
	if got := again.leaf(a); !got.Equal(leaf) || p.Orders() != 1 || p.Finalized() != 1 {
		t.Errorf("after a restart: serial %s, was %s; %d orders, %d requests for certificates", got.SerialNumber, leaf.SerialNumber, p.Orders(), p.Finalized())
	}
}

// Half of all nonces are refused, which costs no attempt.
func TestRefusedNonces(t *testing.T) {
	t.Parallel()
	p := testkit.StartPebble(t, testkit.PebbleConfig{Answers: true, Env: []string{"PEBBLE_WFE_NONCEREJECT=50"}})
	n := startNode(t, t.TempDir(), p, nil)
	a := n.order(p, "shop.example")
	n.awaitIssued(a)
	if failed := n.events.of(activity.CertificateRenewalFailed); len(failed) > 0 {
		t.Errorf("told %+v", failed)
	}
}

// A certificate is renewed when two thirds of its life are over. The former one serves while
// the server is away, and the attempts become rarer.
func TestRenewal(t *testing.T) {
	t.Parallel()
	p := testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	n := startNode(t, t.TempDir(), p, nil)
	a := n.order(p, "shop.example")
	first := n.awaitIssued(a)
	p.SetAway(true)
	n.clock.move(n.Status(a).Next.Sub(n.clock.now()) + time.Second)
	n.await(a, "failed", func(s lb.OrderStatus) bool { return s.Failures == 1 })
	before := p.Requests()
	for hour := range 24 { // a day without a server
		n.clock.move(time.Hour)
		<-time.After(150 * time.Millisecond)
		if !n.leaf(a).Equal(first) {
			t.Fatalf("after %d hours another certificate serves", hour)
		}
	}
	s := n.await(a, "failed", func(s lb.OrderStatus) bool { return s.State == lb.OrderFailed })
	if s.Failures < 5 || s.Failures > 13 || p.Requests()-before > 60 {
		t.Errorf("%d failures and %d requests in a day", s.Failures, p.Requests()-before)
	}
	p.SetAway(false)
	n.clock.move(8 * time.Hour)
	n.awaitIssued(a)
	if second := n.leaf(a); second.Equal(first) {
		t.Error("it is not renewed")
	}
	if p.Orders() != 2 {
		t.Errorf("%d orders", p.Orders())
	}
}

// Whoever sees that a certificate is issued, and asks for another one at once, gets one, also
// while the attempt is ending.
func TestRenewalAskedForAtOnce(t *testing.T) {
	t.Parallel()
	p := testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	n := startNode(t, t.TempDir(), p, nil)
	a := n.order(p, "shop.example")
	n.awaitIssued(a)
	for range 5 {
		former := n.leaf(a)
		if err := n.Renew(lb.Certificate{Key: "shop", ACME: &a}); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, 30*time.Second, func() error {
			if n.leaf(a).Equal(former) {
				return fmt.Errorf("the order stands at %+v", n.Status(a))
			}
			return nil
		})
	}
}
