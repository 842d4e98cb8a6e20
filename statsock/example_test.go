package statsock_test

import (
	"context"
	"fmt"
	"time"

	"thalassa/statsock"
)

// A question to the worker that serves, with a deadline of the caller's.
func ExampleClient() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	client := statsock.New("/run/haproxy/stats.sock")
	stats, err := client.ShowStat(ctx)
	if err != nil {
		fmt.Println("haproxy does not answer:", err)
		return
	}
	for _, s := range stats {
		if s.Kind == statsock.KindServer {
			fmt.Printf("%s/%s is %s with %d sessions\n", s.Proxy, s.Server, s.Status, s.CurrentSessions)
		}
	}
}

// Whether a reload has ended: HAProxy 2.6 says nothing, later ones answer.
func ExampleMaster() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	master := statsock.NewMaster("/run/haproxy/master.sock")
	reply, err := master.Reload(ctx)
	switch {
	case err != nil:
		fmt.Println("the master does not answer:", err)
	case reply.Conclusive && !reply.Success:
		fmt.Println("the new configuration did not start:", reply.Log)
	case !reply.Conclusive:
		fmt.Println("ask ShowProc until there is a new worker, or one more failed reload")
	}
}
