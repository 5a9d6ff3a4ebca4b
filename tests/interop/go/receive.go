package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"cloud.google.com/go/pubsub"
)

type receiving struct {
	mu       sync.Mutex
	stop     context.CancelFunc
	do       string
	k        int // nack-once: how many
	n        int // acked distinct messages to stop at; 0: never
	work     time.Duration
	save     *os.File
	log      *os.File
	least    int
	last     time.Time
	first    time.Time
	received int
	bytes    int
	acked    map[string]bool // message ids
	seen     map[int]int     // number -> deliveries
	ids      map[string]int  // message id -> deliveries
	nacked   map[string]bool
	attempts map[int]int // delivery attempt -> deliveries
	newest   map[string]int
	step     int // between two numbers of a key
	early    int // messages that came before one of their key that was published earlier, and not acked by then
}

func receive(ctx context.Context, words []string) (result, error) {
	c := newFlags("receive")
	r := &receiving{acked: map[string]bool{}, seen: map[int]int{}, ids: map[string]int{}, nacked: map[string]bool{}, attempts: map[int]int{}, newest: map[string]int{}, last: time.Now()}
	c.StringVar(&r.do, "do", "ack", "ack, nack (always), nack-once (the first -k distinct messages), none")
	c.IntVar(&r.k, "k", 0, "")
	c.IntVar(&r.n, "n", 0, "stop when so many distinct messages are acked")
	c.DurationVar(&r.work, "work", 0, "how long a message is worked on before its ack")
	idle := c.Duration("idle", 0, "stop when nothing came for so long")
	c.IntVar(&r.least, "least", 0, "with -idle: and so many distinct messages are acked; a slow start is no idleness")
	limit := c.Duration("for", 5*time.Minute, "stop after so long in any case")
	first := c.Int("first", 0, "number of the first expected message")
	expect := c.Int("expect", 0, "how many numbered messages are expected")
	save := c.String("save", "", "what is received, as NDJSON")
	log := c.String("log", "", "the numbers of what is acked, each written before its ack")
	outstanding := c.Int("outstanding", 1000, "messages")
	c.IntVar(&r.step, "keys", 0, "how many ordering keys the numbers were spread over, when nobody else receives")
	routines := c.Int("routines", 0, "streams")
	_ = c.Parse(words)
	client, err := c.client(ctx)
	if err == nil {
		err = r.openFiles(*save, *log)
	}
	if err != nil {
		return nil, err
	}
	sub := client.Subscription(*c.sub)
	sub.ReceiveSettings.MaxOutstandingMessages = *outstanding
	if *routines > 0 {
		sub.ReceiveSettings.NumGoroutines = *routines
	}
	ctx, r.stop = context.WithTimeout(ctx, *limit)
	if *idle > 0 {
		go r.stopWhenIdle(ctx, *idle)
	}
	if r.do == "none" { // messages that are neither acked nor nacked would be waited for
		go func() { _ = sub.Receive(ctx, r.handle) }()
		<-ctx.Done()
	} else if err := receiveOn(ctx, sub, r.handle); err != nil {
		return nil, err
	}
	return r.result(*first, *expect), nil
}

// This client gives up when a server that restarts does not take a ModifyAckDeadline for two seconds: whoever uses it begins again.
func receiveOn(ctx context.Context, sub *pubsub.Subscription, handle func(context.Context, *pubsub.Message)) error {
	for {
		err := sub.Receive(ctx, handle)
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
	}
}

func (r *receiving) openFiles(save, log string) (err error) {
	if save != "" {
		r.save, err = os.Create(save)
	}
	if log != "" && err == nil {
		r.log, err = os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	}
	return err
}

func (r *receiving) stopWhenIdle(ctx context.Context, idle time.Duration) {
	for ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
		r.mu.Lock()
		quiet, enough := time.Since(r.last), len(r.acked) >= r.least
		r.mu.Unlock()
		if quiet >= idle && enough {
			r.stop()
		}
	}
}

func (r *receiving) handle(_ context.Context, m *pubsub.Message) {
	if r.work > 0 {
		time.Sleep(r.work)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(m)
	switch {
	case r.do == "none":
	case r.do == "nack", r.do == "nack-once" && len(r.nacked) < r.k && r.ids[m.ID] == 1:
		r.nacked[m.ID] = true
		m.Nack()
	default:
		if r.log != nil {
			fmt.Fprintln(r.log, numberOf(m.Data))
		}
		m.Ack()
		r.acked[m.ID] = true
		if r.n > 0 && len(r.acked) >= r.n {
			r.stop()
		}
	}
}

func (r *receiving) count(m *pubsub.Message) {
	r.last = time.Now()
	if r.received == 0 {
		r.first = r.last
	}
	r.received++
	r.bytes += len(m.Data)
	r.ids[m.ID]++
	if number := numberOf(m.Data); number >= 0 {
		r.seen[number]++
	}
	r.order(m)
	if m.DeliveryAttempt != nil {
		r.attempts[*m.DeliveryAttempt]++
	}
	if r.save != nil {
		line, _ := json.Marshal(result{"id": m.ID, "data": string(m.Data), "attributes": m.Attributes, "publish_time": m.PublishTime})
		fmt.Fprintln(r.save, string(line))
	}
}

// The numbers of a key come ascending for the first time; after a nack they begin again where it was, without those whose ack was there before the nack. Who has the key alone
// (-keys) misses none.
func (r *receiving) order(m *pubsub.Message) {
	number := numberOf(m.Data)
	if m.OrderingKey == "" || number < 0 {
		return
	}
	newest, known := r.newest[m.OrderingKey]
	if r.seen[number] > 1 {
		return
	}
	if known && (number < newest || r.step > 0 && number != newest+r.step) {
		r.early++
	}
	r.newest[m.OrderingKey] = number
}

func (r *receiving) result(first, expect int) result {
	missing := []int{}
	for number := first; number < first+expect; number++ {
		if r.seen[number] == 0 {
			missing = append(missing, number)
		}
	}
	redelivered, nackedAgain := 0, 0
	for id, n := range r.ids {
		if n > 1 {
			redelivered++
			if r.nacked[id] {
				nackedAgain++
			}
		}
	}
	shown := missing
	if len(shown) > 10 {
		shown = shown[:10]
	}
	took := r.last.Sub(r.first).Seconds()
	rate := 0.0
	if r.received > 1 && took > 0 {
		rate = float64(r.received) / took
	}
	return result{"received": r.received, "distinct": len(r.ids), "numbers": len(r.seen), "redelivered": redelivered, "nacked": len(r.nacked), "nacked_again": nackedAgain,
		"acked": len(r.acked), "early": r.early, "missing": len(missing), "missing_first": shown, "attempts": r.attempts, "bytes": r.bytes, "per_second": rate, "receiving_s": took}
}
