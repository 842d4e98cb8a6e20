package e2e_test

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// A disk that hangs, with the database, haproxy.cfg and the startup log on it, does not keep
// the agent from starting a killed HAProxy again, nor from following Consul. It says what
// is wrong, and everything is written once the disk is back.
func TestDiskThatHangs(t *testing.T) {
	disk := testkit.NewDisk(t, 24)
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address(), "--db-path", disk.Dir, "--haproxy-cfg-path", disk.Dir+"/haproxy.cfg")
	t.Cleanup(disk.Thaw)
	n.start()
	service(t, consul, "1.0.0", 1)
	n.route()
	n.answers("1.0.0-0")

	testkit.Eventually(t, patience, func() error { // the master writes their ends to the startup log, on this disk
		if _, body := n.try(http.MethodGet, "/status", ""); !strings.Contains(body, `"oldWorkers":0`) {
			return errors.New(body)
		}
		return nil
	})

	disk.Freeze()
	begin := time.Now()
	stored := make(chan int, 1)
	go func() {
		code, _ := n.try(http.MethodPut, "/backends/other", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
		stored <- code
	}()
	testkit.Eventually(t, patience, func() error {
		_, body := n.try(http.MethodGet, "/readyz", "")
		if !strings.Contains(body, "the disk of the database hangs") && !strings.Contains(body, "the file system does not answer") {
			return errors.New(body)
		}
		return nil
	})
	t.Logf("/readyz told of it after %v", time.Since(begin))
	n.restarts()
	t.Logf("HAProxy was started again after %v", time.Since(begin))
	if code, body := n.try(http.MethodGet, "/healthz", ""); code != http.StatusOK {
		t.Errorf("the loops turn, and /healthz says %d %s", code, body)
	}
	service(t, consul, "1.0.0", 2) // Consul is followed at run time
	testkit.Eventually(t, patience, func() error {
		for range 10 {
			if answer, err := n.get(); err != nil || answer == "1.0.0-1" {
				return err
			}
		}
		return errors.New("the new member is not in use")
	})
	disk.Thaw()
	select {
	case <-stored:
	case <-time.After(patience):
		t.Fatal("the change was not answered")
	}
	n.warns("")
	n.call(200, http.MethodPut, "/backends/other", `{"type":"static","members":[{"host":"127.0.0.1","port":10}]}`)
	if config, err := os.ReadFile(disk.Dir + "/haproxy.cfg"); err != nil || !strings.Contains(string(config), "backend other") {
		t.Errorf("haproxy.cfg has not the last change: %v", err)
	}
}
