package pacemaker

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
)

// Totem holds the timeouts of corosync's failure detection.
type Totem struct {
	// Token is the token timeout in effect, after which a node is considered dead.
	// corosync adds the coefficient for every node beyond two.
	Token time.Duration
	// Consensus is the consensus timeout: the other nodes then need that long to agree.
	Consensus time.Duration
	// Base and Coefficient are the values in corosync.conf; -1: not set.
	Base, Coefficient time.Duration
}

const unset = time.Duration(-1)

// slowToken is the longest token timeout without a warning.
const slowToken = 1200 * time.Millisecond

// Totem reads the timeouts of corosync on this node (corosync-cmapctl).
func (c *Cluster) Totem(ctx context.Context) (Totem, error) {
	out, err := c.run(ctx, call{tool: "corosync-cmapctl", plain: true})
	if e, ok := errors.AsType[*cluster.Error](err); ok && e.Kind == cluster.KindFailed {
		e.Kind = cluster.KindNotConnected // corosync-cmapctl has one exit code for every failure
	}
	if err != nil {
		return Totem{}, fmt.Errorf("asking corosync: %w", err)
	}
	return parseTotem(string(out)), nil
}

func parseTotem(out string) Totem {
	line := regexp.MustCompile(`(?m)^(\S+) \(\w+\) = (\d+)$`)
	values := map[string]time.Duration{}
	for _, m := range line.FindAllStringSubmatch(out, -1) {
		if n, err := strconv.Atoi(m[2]); err == nil {
			values[m[1]] = time.Duration(n) * time.Millisecond
		}
	}
	or := func(key string, other time.Duration) time.Duration {
		if v, ok := values[key]; ok {
			return v
		}
		return other
	}
	return Totem{
		Token: or("runtime.config.totem.token", 0), Consensus: or("runtime.config.totem.consensus", 0),
		Base: or("totem.token", unset), Coefficient: or("totem.token_coefficient", unset),
	}
}

// Warnings returns warnings about timeouts that make failover slow.
func (t Totem) Warnings() []string {
	if t.Token <= slowToken {
		return nil
	}
	line := fmt.Sprintf("SLOW FAILOVER: corosync notices a dead node after %d ms, and needs another %d ms to agree",
		t.Token.Milliseconds(), t.Consensus.Milliseconds())
	var why []string
	if t.Base == unset {
		why = append(why, "token is not set (3000 by default)")
	} else if t.Base > slowToken {
		why = append(why, fmt.Sprintf("token is %d", t.Base.Milliseconds()))
	}
	switch {
	case t.Coefficient == unset:
		why = append(why, "token_coefficient is not set (650 ms more for each node beyond two)")
	case t.Coefficient > 0:
		why = append(why, fmt.Sprintf("token_coefficient is %d (ms more for each node beyond two)", t.Coefficient.Milliseconds()))
	}
	if len(why) > 0 {
		line += ": " + strings.Join(why, ", ")
	}
	return []string{line, "with token: 1000 and token_coefficient: 0 in the totem section of corosync.conf, a failover after the death of a node takes 2 to 3 s"}
}
