package zz
import ("testing";"thalassa/internal/testkit";"thalassa/statsock";"fmt")
func TestX(t *testing.T){
 for _, b := range testkit.HAProxies(t) {
  h := testkit.RunHAProxy(t, b.Path, testkit.HAProxyConfig{Address: fmt.Sprintf("127.0.0.1:%d", testkit.Port(t)), Answer:"x"})
  c, m := statsock.New(h.StatsSocket), statsock.NewMaster(h.MasterSocket)
  stale, laterMaster := 0, 0
  for range 30 {
   var pid int
   testkit.Eventually(t, 1e10, func() error { p, err := m.ShowProc(t.Context()); if err==nil {pid=p.Workers[0].PID}; return err})
   m.Reload(t.Context())
   for { i, err := c.ShowInfo(t.Context()); if err == nil && i.PID != pid { break } }
   for range 20 { i, err := c.ShowInfo(t.Context()); if err != nil { t.Log("err", err) } else if i.PID == pid { stale++ } }
   if _, err := m.ShowProc(t.Context()); err != nil { laterMaster++ }
  }
  t.Log(b.Version, "stale answers", stale, "of 600; master not there yet", laterMaster)
 }
}
