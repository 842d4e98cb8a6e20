package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	clusterstatus "thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// Addresses of what the wizards make.
const (
	wizardAddress = "10.99.0.120"
	secondAddress = "10.99.0.121"
)

// nginxConf answers with the name of its node.
const nginxConf = `pid /run/nginx-shop.pid;
error_log /var/log/nginx-shop.log;
events {}
http {
  access_log off;
  server {
    listen 8081;
    location / { return 200 "nginx on $hostname\n"; }
  }
}
`

// wizards has each wizard make what it is for, and the cluster run it.
func (s *clusterFixture) wizards(t *testing.T) {
	testkit.Tool(t, "nginx")
	nodes := s.cluster.Up()
	n1 := nodes[0]
	s.cluster.AwaitIdle()
	s.cluster.Put("nginx.conf", cluster.File{Content: []byte(nginxConf)})
	began := len(s.cluster.Fenced())

	s.wizard(t, n1, "web-server", `{"id":"shop","server":"nginx","config":"/run/fixture/nginx.conf","ip":"`+wizardAddress+`/24"}`)
	at := s.pageOfShop(t, wizardAddress)
	s.wizard(t, n1, "floating-ip", `{"id":"second","ip":"`+secondAddress+`/24","group":"shop-group"}`)
	if other := s.pageOfShop(t, secondAddress); other != at {
		t.Errorf("the second address is on %s, the group on %s", other, at)
	}

	t.Run("moved", func(t *testing.T) {
		to := nodes[0].Name
		if to == at {
			to = nodes[1].Name
		}
		s.change(t, n1, "PATCH", "/config/groups/shop-group", `{"meta":{"resource-stickiness":"100"}}`)
		answer, _, err := s.jobbed(n1, "/actions/move", `{"resource":"shop-group","node":"`+to+`"}`)
		if err != nil || answer.status != http.StatusOK {
			t.Fatalf("move: %v, %d %s", err, answer.status, answer.body)
		}
		for _, address := range []string{wizardAddress, secondAddress} {
			if now := s.pageOfShop(t, address); now != to {
				t.Errorf("after the move %s is on %s, not on %s", address, now, to)
			}
		}
	})
	t.Run("ticket", func(t *testing.T) {
		s.wizard(t, n1, "ticket", `{"ticket":"site","rsc":"shop-group","loss-policy":"stop"}`)
		s.cluster.AwaitRunning(t, "shop")
		answer, _, err := s.jobbed(n1, "/actions/grant", `{"ticket":"site"}`)
		if err != nil || answer.status != http.StatusOK {
			t.Fatalf("grant: %v, %d %s", err, answer.status, answer.body)
		}
		s.pageOfShop(t, wizardAddress)
	})
	t.Run("fence device", func(t *testing.T) {
		s.wizard(t, n1, "fence-device", `{"agent":"stonith:fence_fixture","id":"second-fence","nodes":"`+n1.Name+`"}`)
		testkit.Eventually(t, patience, func() error {
			if out := nodes[1].Run("stonith_admin", "--list", n1.Name); !strings.Contains(out, "second-fence") {
				return fmt.Errorf("the devices for %s are %s", n1.Name, out)
			}
			return nil
		})
		s.change(t, n1, "DELETE", "/config/primitives/second-fence?cascade=1", "")
	})
	if fenced := s.cluster.Fenced()[began:]; len(fenced) > 0 {
		t.Errorf("nodes were fenced: %v", fenced)
	}
	s.change(t, n1, "DELETE", "/config/groups/shop-group?cascade=1", "")
	for _, id := range []string{"second", "shop", "shop-ip"} {
		s.change(t, n1, "DELETE", "/config/primitives/"+id+"?cascade=1", "")
	}
	s.onAll()
}

// wizard makes a draft by a wizard and commits it. What happens is compared with what was foretold.
func (s *clusterFixture) wizard(t *testing.T, n *cluster.Node, name, values string) {
	t.Helper()
	var made struct {
		foreseenOf

		Draft struct{ ID string }
	}
	s.asked(t, n, "POST", "/wizards/"+name, `{"values":`+values+`,"message":"by a test"}`, &made)
	if made.Problem != "" {
		t.Fatalf("%s: %s", name, made.Problem)
	}
	var done struct{ Cluster clusterstatus.Status }
	s.asked(t, n, "POST", "/drafts/"+made.Draft.ID+"/commit", "", &done)
	samePlaces(t, made.Simulation.After, done.Cluster)
}

// pageOfShop waits for the page of the web server at an address, and returns the node that sent it.
func (s *clusterFixture) pageOfShop(t *testing.T, address string) (node string) {
	t.Helper()
	client := s.cluster.HTTP("")
	testkit.Eventually(t, patience, func() error {
		resp, err := client.Get("http://" + address + ":8081/")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		page, err := io.ReadAll(resp.Body)
		name, ok := strings.CutPrefix(strings.TrimSpace(string(page)), "nginx on ")
		if err != nil || !ok {
			return fmt.Errorf("the page is %q, %w", page, err)
		}
		node = name
		return nil
	})
	return node
}
