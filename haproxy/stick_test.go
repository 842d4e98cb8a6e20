package haproxy_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/plan"
	"thalassa/statsock"
)

// Workers that run as another user hand their stick tables over through a directory
// that they may pass and not read.
func TestStickTablesSurviveReloadsOfAnotherUser(t *testing.T) {
	testkit.NeedsRoot(t)
	each(t, func(fx *fixture) {
		err := errors.Join(os.Chown(fx.dir, 0, testkit.Nobody), os.Chmod(fx.dir, 0o710)) //nolint:gosec // see above
		if err != nil {
			fx.t.Fatal(err)
		}
		live := pool("live", well(fx.t, "a"))
		live.Natives = []lb.RawLine{
			"stick-table type string len 32 size 1k expire 1h store http_req_cnt peers thalassa",
			"http-request track-sc0 str(everybody)",
		}
		config := func(balance string) lb.Config {
			live.Balance = balance
			c := fx.configOf(live)
			c.Process.User, c.Process.Group = "nobody", "nogroup"
			return plan.Layout(nil, c)
		}
		client := statsock.New(fx.cfg.StatsSocket)
		says := func(command, want string) error {
			answer, err := client.Do(fx.t.Context(), command)
			if err == nil && !strings.Contains(answer, want) {
				err = fmt.Errorf("%s says %s", command, answer)
			}
			return err
		}
		s := &stage{fixture: fx}
		s.reload(config("roundrobin"))
		fx.answered()
		testkit.Eventually(fx.t, patience, func() error {
			peers, err := client.Do(fx.t.Context(), "show peers thalassa")
			if err == nil && !finished.MatchString(peers) {
				err = fmt.Errorf("the peers say %s", peers)
			}
			return err
		})
		s.reload(config("leastconn"))
		testkit.Eventually(fx.t, patience, func() error { return says("show table live", "http_req_cnt=20\n") })
	})
}
