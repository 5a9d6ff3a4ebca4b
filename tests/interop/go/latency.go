package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"sync"
	"time"

	"cloud.google.com/go/pubsub"
)

// Times from a completion's publish call to the trigger that it causes; they find each other by a field that both bodies hold.
type pairing struct {
	mu    sync.Mutex
	key   string
	sent  map[string]time.Time
	took  map[string]float64 // ms
	again int
}

func latency(ctx context.Context, words []string) (result, error) {
	c := newFlags("latency")
	p := &pairing{sent: map[string]time.Time{}, took: map[string]float64{}}
	c.StringVar(&p.key, "key", "game_date", "field that completion and trigger share")
	lines := c.String("lines", "", "completions, each of which causes a trigger")
	rate := c.Float64("rate", 100, "completions per second")
	skip := c.Int("skip", 100, "the first ones, not measured")
	patience := c.Duration("patience", 10*time.Second, "how long the last trigger is waited for")
	_ = c.Parse(words)
	all, err := readLines(*lines)
	if err != nil {
		return nil, err
	}
	client, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	receiving, stop := context.WithCancel(ctx)
	defer stop()
	go func() { _ = client.Subscription(*c.sub).Receive(receiving, p.trigger) }()
	topic := client.Topic(*c.topic)
	topic.PublishSettings = pubsub.PublishSettings{CountThreshold: 1, ByteThreshold: 1e6, DelayThreshold: time.Millisecond, Timeout: time.Minute}
	if err := p.publish(ctx, topic, all, *rate); err != nil {
		return nil, err
	}
	p.wait(len(all), *patience)
	return p.result(all[*skip:])
}

func (p *pairing) keyOf(body []byte) string {
	var fields map[string]interface{}
	_ = json.Unmarshal(body, &fields)
	key, _ := fields[p.key].(string)
	return key
}

func (p *pairing) trigger(_ context.Context, m *pubsub.Message) {
	now, key := time.Now(), p.keyOf(m.Data)
	m.Ack()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, again := p.took[key]; again {
		p.again++
	} else if sent, ours := p.sent[key]; ours {
		p.took[key] = now.Sub(sent).Seconds() * 1e3
	}
}

func (p *pairing) publish(ctx context.Context, topic *pubsub.Topic, all [][]byte, rate float64) error {
	failed := make(chan error, len(all))
	start := time.Now()
	for i, line := range all {
		time.Sleep(time.Until(start.Add(time.Duration(float64(i) / rate * 1e9))))
		p.mu.Lock()
		p.sent[p.keyOf(line)] = time.Now()
		p.mu.Unlock()
		answer := topic.Publish(ctx, &pubsub.Message{Data: line})
		go func() {
			_, err := answer.Get(ctx)
			failed <- err
		}()
	}
	for range all {
		if err := <-failed; err != nil {
			return err
		}
	}
	return nil
}

func (p *pairing) wait(n int, patience time.Duration) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		p.mu.Lock()
		done := len(p.took) >= n
		p.mu.Unlock()
		if done {
			return
		}
	}
}

func (p *pairing) result(measured [][]byte) (result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ms []float64
	for _, line := range measured {
		if took, came := p.took[p.keyOf(line)]; came {
			ms = append(ms, took)
		}
	}
	if len(ms) == 0 {
		return nil, fmt.Errorf("no trigger came")
	}
	sort.Float64s(ms)
	at := func(share float64) float64 { return ms[int(share*float64(len(ms)-1))] }
	return result{"measured": len(measured), "triggers": len(ms), "again": p.again, "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "max_ms": at(1)}, nil
}
