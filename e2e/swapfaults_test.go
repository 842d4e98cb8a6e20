package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// agrees waits until the API, HAProxy and the files that HAProxy starts with have the same
// certificate shop, and returns its serial number.
func (e *edge) agrees() (serial string) {
	e.tb.Helper()
	testkit.Eventually(e.tb, patience, func() error {
		serial = fmt.Sprint(e.call(200, http.MethodGet, "/certificates/shop", "")["serial"])
		if got := e.served("shop.example"); got != serial {
			return fmt.Errorf("clients get %s, and stored is %s", got, serial)
		}
		return nil
	})
	return serial
}

// The agent is killed at every moment of a swap: the former certificate or the new one
// serves, never none, and what was answered holds.
func TestKilledInASwap(t *testing.T) {
	e := newEdge(t, `"certificates":["shop"]`)
	before := e.agrees()
	outcomes := map[bool]int{}
	for i := range 24 {
		pair := e.ca.Issue(t, "shop.example")
		wanted, answered := pair.Leaf.SerialNumber.Text(16), make(chan bool, 1)
		go func() {
			req, err := http.NewRequest(http.MethodPut, fmt.Sprintf("http://127.0.0.1:%d/certificates/shop", e.api), strings.NewReader(pair.Body()))
			if err != nil {
				answered <- false
				return
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			answered <- err == nil && resp.StatusCode == http.StatusOK
		}()
		<-time.After(time.Duration(i) * 2 * time.Millisecond)
		e.signal(syscall.SIGKILL)
		if got := e.served("shop.example"); got != before && got != wanted {
			t.Errorf("after a kill at %d ms clients get %s, expected %s or %s", 2*i, got, before, wanted)
		}
		isAnswered := <-answered
		e.start()
		now := e.agrees()
		if now != before && now != wanted || isAnswered && now != wanted {
			t.Errorf("killed at %d ms, answered %v: now it is %s, was %s, wanted %s", 2*i, isAnswered, now, before, wanted)
		}
		outcomes[now == wanted]++
		e.call(200, http.MethodPost, "/haproxy/reload", "")
		e.serves("shop.example", now)
		before = now
	}
	t.Logf("%d of 24 swaps have taken effect", outcomes[true])
	if outcomes[true] == 0 || outcomes[false] == 0 {
		t.Error("all kills came before the swap, or after it")
	}
}

// With less and less room on the disk, a swap is carried out or refused, and nothing in between.
func TestSwapOnAFullDisk(t *testing.T) {
	dir := testkit.SocketDir(t)
	mount(t, dir, "-t", "tmpfs", "-o", "size=8m", "tmpfs")
	e := &edge{node: apart(t, dir), ca: testkit.NewAuthority(t), port: testkit.Port(t)}
	e.call(200, http.MethodPut, "/certificates/corp", fmt.Sprintf(`{"chain":%q}`, e.ca.PEM))
	e.put("shop", "shop.example")
	e.call(200, http.MethodPut, "/frontends/edge", fmt.Sprintf(`{"natives":["http-request return status 200"],"tls":{"bind":"127.0.0.1:%d","certificates":["shop"]}}`, e.port))
	outcomes, isKilled := map[int]int{}, false
	for _, room := range []int64{0, 4, 8, 12, 16, 20, 24, 32, 64} {
		former := e.agrees()
		free := leaveRoom(t, filepath.Join(dir, "filler"), room<<10)
		pair := e.ca.Issue(t, "shop.example")
		status, answer := e.try(http.MethodPut, "/certificates/shop", pair.Body())
		outcomes[status]++
		want, stored := former, former
		if status == http.StatusOK {
			stored = pair.Leaf.SerialNumber.Text(16)
			if isApplied := strings.Contains(answer, `"applied":true`); isApplied {
				want = stored
			} else {
				outcomes[0]++ // it is stored, and in effect once there is room
			}
		} else if status != http.StatusInsufficientStorage || !strings.Contains(answer, "the disk is full") {
			t.Errorf("with %d KB the answer is %d %s", room, status, answer)
		}
		e.eventuallyServes(want)
		if got := fmt.Sprint(e.call(200, http.MethodGet, "/certificates/shop", "")["serial"]); got != stored {
			t.Errorf("with %d KB stored is %s, expected %s after %d %s", room, got, stored, status, answer)
		}
		if want == former && !isKilled { // it starts with what is on disk; again and again it would wait longer
			isKilled = true
			if err := syscall.Kill(e.master(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			e.eventuallyServes(want)
		}
		free()
		e.eventuallyServes(stored)
		for _, pattern := range []string{"*/.*", ".*.tmp*"} {
			if left, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(left) > 0 {
				t.Errorf("with %d KB %v is left, %v", room, left, err)
			}
		}
	}
	t.Logf("answers: %v", outcomes)
	if outcomes[http.StatusOK] == 0 || outcomes[http.StatusInsufficientStorage] == 0 {
		t.Error("the disk was never full, or always")
	}
	if got := e.agrees(); got == "" {
		t.Error("nothing is served")
	}
}

// leaveRoom leaves so many bytes of a file system, until free.
func leaveRoom(t *testing.T, path string, room int64) (free func()) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	testkit.Eventually(t, patience, func() error { // the agent writes meanwhile
		var fs syscall.Statfs_t
		if err := syscall.Statfs(filepath.Dir(path), &fs); err != nil {
			return err
		}
		return syscall.Fallocate(int(f.Fd()), 0, 0, max(1, int64(fs.Bavail)*fs.Bsize-room)) //nolint:gosec // a few megabytes
	})
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
