package canary_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"thalassa/canary"
	"thalassa/lb"
)

// A counter counts as HAProxy does for one line: what is given out is a mean over
// the last 512 responses, rounded up, and all of it begins again with a worker.
type counter struct {
	lb.ServerStats
	sum float64
}

func (c *counter) respond(status int, ms float64) {
	c.Requests++
	if status >= 500 {
		c.Responses.ServerError++
	} else {
		c.Responses.Success++
	}
	n := float64(c.Responses.Total())
	if n > 512 {
		n = 512
		c.sum -= c.sum / n
	}
	c.sum += ms
	c.ResponseTimeMS = int64(math.Ceil(c.sum / n))
}

func (c *counter) member(version, id string) canary.Member {
	stats := c.ServerStats
	return canary.Member{ID: id, Version: version, Stats: &stats}
}

func (c *counter) restart() { *c = counter{ServerStats: lb.ServerStats{Server: c.Server}} }

func TestFiguresAreOfTheStepAlone(t *testing.T) {
	t.Parallel()
	old, one, two := &counter{}, &counter{}, &counter{}
	one.Server, two.Server = "s1", "s2"
	for range 1000 { // of a member that had the line before
		one.respond(500, 900)
	}
	one.ResponseErrors, one.ConnectErrors, one.Redispatches = 10, 20, 30
	read := canary.NewMeter("2")
	all := func() []canary.Member {
		return []canary.Member{old.member("1", "old"), one.member("2", "one"), two.member("2", "two"), {ID: "new", Version: "2"}}
	}
	if f := read(all()); f.Requests != 0 || f.ServerErrors != 0 || f.Errors != 0 || f.ResponseTimeMS != 0 {
		t.Errorf("at the beginning: %+v", f)
	}
	for range 60 {
		old.respond(500, 5000)
		one.respond(200, 40)
		two.respond(200, 20)
	}
	one.respond(503, 40)
	one.Requests += 4
	one.ResponseErrors++
	one.ConnectErrors++
	two.Redispatches += 2
	f := read(all())
	if f.Requests != 125 || f.ServerErrors != 1 || f.Errors != 4 {
		t.Errorf("%+v, want 125 requests, 1 and 4", f)
	}
	if math.Abs(f.ResponseTimeMS-30) > 5 {
		t.Errorf("%v ms, want about 30", f.ResponseTimeMS)
	}
	if got, want := (lb.CanaryFigures{Requests: 125, ServerErrors: 1, Errors: 4, ResponseTimeMS: 30.126}).String(), "125 requests, 0.8% 5xx, 3.2% errors, 30.13 ms"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := (lb.CanaryFigures{Requests: 1, Errors: 3}).String(), "1 request, 0% 5xx, 100% errors, 0 ms"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Whatever happens to lines and workers between two readings, what the members
// did in sight of the meter is counted once.
func TestFiguresSurviveReloadsAndMoves(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		lines := make([]*counter, 4)
		for i := range lines {
			lines[i] = &counter{ServerStats: lb.ServerStats{Server: lb.SlotName(i)}}
			for range random.IntN(900) {
				lines[i].respond(500, 1)
			}
		}
		at := []int{0, 1} // the line of each member; -1: it is away
		members := func() (list []canary.Member) {
			for id, place := range at {
				if place >= 0 {
					list = append(list, lines[place].member("2", string(rune('a'+id))))
				}
			}
			return list
		}
		read := canary.NewMeter("2")
		read(members())
		var want lb.CanaryFigures
		for range 20 {
			switch random.IntN(6) {
			case 0: // a reload
				for _, c := range lines {
					c.restart()
				}
			case 1: // a member leaves, another one uses its line, and it comes back
				free := at[1]
				at[1] = -1
				read(members())
				lines[free].respond(500, 1)
				at[1] = 1 + random.IntN(3)
			case 2: // a member moves at once
				at[1] = 1 + random.IntN(3)
			}
			read(members())
			for _, place := range at {
				for range random.IntN(40) {
					status := 200 + 300*random.IntN(2)
					lines[place].respond(status, 1)
					want.Requests++
					want.ServerErrors += int64(status-200) / 300
				}
			}
			if f := read(members()); f.Requests != want.Requests || f.ServerErrors != want.ServerErrors {
				t.Fatalf("%v, want %v", f, want)
			}
		}
	}
}

func TestFiguresAfterAReload(t *testing.T) {
	t.Parallel()
	c := &counter{ServerStats: lb.ServerStats{Server: "s1"}}
	members := func() []canary.Member { return []canary.Member{c.member("2", "one")} }
	read := canary.NewMeter("2")
	for range 100 {
		c.respond(200, 10)
	}
	read(members())
	for range 50 {
		c.respond(500, 10)
	}
	read(members())
	c.restart()
	for range 30 {
		c.respond(500, 10)
	}
	c.ResponseErrors = 2
	if f := read(members()); f.Requests != 80 || f.ServerErrors != 80 || f.Errors != 2 || math.Abs(f.ResponseTimeMS-10) > 2 {
		t.Errorf("%+v, want 80 requests, all bad, 2 errors", f)
	}
	c.respond(200, 10)
	if f := read(nil); f.Requests != 80 { // it is gone, and what it did stays
		t.Errorf("%+v after its end", f)
	}
	if f := read(members()); f.Requests != 80 {
		t.Errorf("%+v when it is back", f)
	}
	c.respond(200, 10)
	if f := read(members()); f.Requests != 81 {
		t.Errorf("%+v, want 81 requests", f)
	}
}

// The mean time is that of the responses since the step began, however little
// they weigh in HAProxy's.
func TestResponseTime(t *testing.T) {
	t.Parallel()
	for _, former := range []int{0, 1, 100, 511, 512, 513, 600, 5000} {
		for _, formerMS := range []float64{0, 10, 1000} {
			for _, now := range []int{40, 300, 600, 3000} {
				for _, ms := range []float64{5, 200, 700} {
					c := &counter{}
					for range former {
						c.respond(200, formerMS)
					}
					read := canary.NewMeter("2")
					read([]canary.Member{c.member("2", "one")})
					for range now {
						c.respond(200, ms)
					}
					f := read([]canary.Member{c.member("2", "one")})
					// A millisecond of rounding in the sum of 512 is spread over few responses.
					if tolerance := 2 + 512/float64(now); math.Abs(f.ResponseTimeMS-ms) > tolerance {
						t.Errorf("%d responses of %v ms after %d of %v ms: %v ms", now, ms, former, formerMS, f.ResponseTimeMS)
					}
				}
			}
		}
	}
}
