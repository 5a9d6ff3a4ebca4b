// peer.mjs - Google's own Node client against the server that PUBSUB_EMULATOR_HOST names. One JSON object as the last line of stdout.
//   node peer.mjs make    TOPIC SUB [DEAD_LETTER_TOPIC ATTEMPTS [OPTIONS]]     OPTIONS: JSON, added to those of the subscription; - for no topic
//   node peer.mjs sub     TOPIC SUB                 a subscription of a topic that is there
//   node peer.mjs publish TOPIC N SIZE [KEYS]       with KEYS message i has ordering key i modulo KEYS
//   node peer.mjs receive SUB N [MODE K [LOG IDLE_MS]]      ends when N distinct messages are acked, or when nothing came for IDLE_MS (20,000); LOG: numbers, each written before its ack
//       MODE: ack (-), nack (always), nack-once (the first K), slowly (200 at a time, each takes K ms), hold (neither acks nor nacks), once (exactly once: with responses, the first K nacked)
//   node peer.mjs seek    SUB SECONDS | NAME        back in time, or to the snapshot NAME of the subscription, which is made when it is not there
//   node peer.mjs settings TOPIC SUB              what is kept of what a new topic and subscription are told, and the codes of what is refused
//   node peer.mjs quiet   SUB TOPIC SECONDS       a stream without messages for that long, then one: how late it comes, and what errors were seen
// Numbered messages begin with their number in nine digits and a blank, as the Go peer's do.
import { appendFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { PubSub } from '@google-cloud/pubsub';

const IDLE_MS = 20000;
const pubsub = new PubSub({ projectId: 'interop' });

async function make(topic, sub, deadLetterTopic, attempts, more) {
    await pubsub.createTopic(topic);
    const options = { ackDeadlineSeconds: 10, ...JSON.parse(more ?? '{}') };
    if (deadLetterTopic && deadLetterTopic !== '-') {
        await pubsub.topic(deadLetterTopic).get({ autoCreate: true });
        options.deadLetterPolicy = { deadLetterTopic: pubsub.topic(deadLetterTopic).name, maxDeliveryAttempts: Number(attempts) };
    }
    await pubsub.createSubscription(topic, sub, options);
    const [metadata] = await pubsub.subscription(sub).getMetadata();
    return { topic: metadata.topic, ack_deadline_s: metadata.ackDeadlineSeconds, attempts: metadata.deadLetterPolicy?.maxDeliveryAttempts ?? 0 };
}

async function sub(topic, name) {
    await pubsub.createSubscription(topic, name, { ackDeadlineSeconds: 10 });
    return {};
}

async function publish(topicName, n, size, keys) {
    const topic = pubsub.topic(topicName, { batching: { maxMessages: 100, maxMilliseconds: 10 }, messageOrdering: Boolean(keys) });
    const answers = [];
    for (let i = 0; i < Number(n); i++) {
        const message = { data: Buffer.from(`${String(i).padStart(9, '0')} `.padEnd(Number(size), 'x')), attributes: { number: String(i) } };
        if (keys) {
            message.orderingKey = `key-${i % Number(keys)}`;
        }
        answers.push(topic.publishMessage(message));
    }
    const ids = await Promise.all(answers);
    return { published: ids.length, distinct_ids: new Set(ids).size };
}

// What a receiver has seen.
class Book {
    constructor(log) {
        Object.assign(this, { log, seen: new Map(), acked: new Set(), nacked: new Set(), numbers: new Set(), newest: new Map(), attempts: {}, received: 0, bad: 0, early: 0, refused: 0 });
    }

    count(message) {
        const number = Number(message.data.toString('latin1', 0, 9));
        const times = (this.seen.get(message.id) ?? 0) + 1;
        this.received++;
        this.seen.set(message.id, times);
        this.numbers.add(number);
        this.bad += Number(message.attributes.number) !== number;
        if (message.deliveryAttempt) {
            this.attempts[message.deliveryAttempt] = (this.attempts[message.deliveryAttempt] ?? 0) + 1;
        }
        if (message.orderingKey) { // the first time numbers come ascending
            this.early += times === 1 && number < (this.newest.get(message.orderingKey) ?? -1);
            this.newest.set(message.orderingKey, number);
        }
    }

    write(message) {
        if (this.log) {
            appendFileSync(this.log, `${Number(message.data.toString('latin1', 0, 9))}\n`);
        }
    }

    result() {
        const again = [...this.nacked].filter((id) => this.seen.get(id) > 1).length;
        return { received: this.received, distinct: this.seen.size, numbers: this.numbers.size, acked: this.acked.size, nacked: this.nacked.size, nacked_again: again,
            attempts: this.attempts, early: this.early, refused: this.refused, bad: this.bad };
    }
}

// `done` is called in the same breath as the last ack: this client loses acks that are being sent when it is closed a moment later.
async function handle(book, message, mode, k, done) {
    if (mode === 'slowly') {
        await new Promise((next) => setTimeout(next, k));
    }
    book.count(message);
    if (mode === 'hold') {
        return;
    }
    if (mode === 'nack' || (['nack-once', 'once'].includes(mode) && book.nacked.size < k && book.seen.get(message.id) === 1)) {
        book.nacked.add(message.id);
        message.nack();
        return;
    }
    book.write(message);
    if (mode === 'once') {
        try {
            await message.ackWithResponse();
        } catch {
            book.refused++;
            return;
        }
    } else {
        message.ack();
    }
    const before = book.acked.size;
    book.acked.add(message.id);
    if (book.acked.size > before) {
        done(book.acked.size);
    }
}

function receive(subName, n, mode, k, log, idleMs) {
    const subscription = pubsub.subscription(subName, mode === 'slowly' ? { flowControl: { maxMessages: 200, allowExcessMessages: false } } : {});
    const book = new Book(log === '-' ? undefined : log);
    const errors = [];
    return new Promise((resolve) => {
        let timer;
        const finish = async () => {
            clearTimeout(timer);
            await subscription.close();
            resolve({ ...book.result(), errors });
        };
        const restart = () => {
            clearTimeout(timer);
            timer = setTimeout(finish, Number(idleMs ?? IDLE_MS));
        };
        restart();
        subscription.on('error', (error) => errors.push(error.message));
        subscription.on('message', (message) => {
            restart();
            handle(book, message, mode, Number(k), (acked) => {
                if (acked === Number(n)) {
                    finish();
                }
            });
        });
    });
}

async function seek(subName, target) {
    const subscription = pubsub.subscription(subName);
    if (Number(target) > 0) {
        await subscription.seek(new Date(Date.now() - Number(target) * 1000));
        return {};
    }
    const snapshots = (await pubsub.getSnapshots())[0].map((snapshot) => snapshot.name.split('/').pop());
    if (!snapshots.includes(target)) {
        await subscription.snapshot(target).create();
        return { made: true };
    }
    await subscription.snapshot(target).seek();
    return { made: false };
}

async function codeOf(call) {
    try {
        await call();
        return 0;
    } catch (error) {
        return error.code;
    }
}

async function policyOf(resource, role, permissions) {
    const [first] = await resource.iam.getPolicy();
    const bindings = [{ role, members: ['serviceAccount:somebody@example.com'], condition: null }];
    const [set] = await resource.iam.setPolicy({ bindings });
    const [now] = await resource.iam.getPolicy();
    const [granted] = await resource.iam.testPermissions(permissions);
    const stale = await codeOf(() => resource.iam.setPolicy({ bindings: [], etag: first.etag }));
    const same = isDeepStrictEqual([set.bindings, now.bindings], [bindings, bindings]);
    return { bindings: first.bindings.length, version: first.version, same, granted, stale };
}

async function topicSettings(topic) {
    await topic.create();
    const [made] = await topic.getMetadata();
    await topic.setMetadata({ labels: { team: 'blue' }, messageRetentionDuration: { seconds: 3600 }, messageStoragePolicy: { allowedPersistenceRegions: ['europe-west1'] } });
    const [now] = await topic.getMetadata();
    return { state: made.state, labels: now.labels, retention_s: Number(now.messageRetentionDuration.seconds), regions: now.messageStoragePolicy.allowedPersistenceRegions };
}

async function subSettings(topic, sub) {
    const retryPolicy = { minimumBackoff: { seconds: 15 } };
    await sub.create({ ackDeadlineSeconds: 20, filter: 'attributes.a = "b"', retryPolicy, enableExactlyOnceDelivery: true, expirationPolicy: { ttl: { seconds: 864000 } } });
    const [made] = await sub.getMetadata();
    await sub.setMetadata({ ackDeadlineSeconds: 45, labels: { a: 'b' }, retainAckedMessages: true, messageRetentionDuration: 259200, expirationPolicy: {},
        deadLetterPolicy: { deadLetterTopic: topic.name, maxDeliveryAttempts: 10 } });
    const [now] = await sub.getMetadata();
    await sub.setMetadata({ deadLetterPolicy: null, retryPolicy: null, labels: {} });
    const [end] = await sub.getMetadata();
    return { state: made.state, backoff_s: [made.retryPolicy.minimumBackoff, made.retryPolicy.maximumBackoff].map((d) => Number(d.seconds)),
        ttl_s: Number(made.expirationPolicy.ttl.seconds), topic_retention_s: Number(made.topicMessageRetentionDuration.seconds), ttl_after: now.expirationPolicy.ttl,
        retention_s: Number(now.messageRetentionDuration.seconds), labels: now.labels, attempts: now.deadLetterPolicy.maxDeliveryAttempts,
        end: [end.deadLetterPolicy, end.retryPolicy, end.labels, end.ackDeadlineSeconds, end.retainAckedMessages, end.filter] };
}

async function refusals(topic, sub) {
    const data = Buffer.from('x');
    const make = (options) => topic.createSubscription('refused-sub', options);
    const calls = {
        'topic again': () => topic.create(), 'sub again': () => topic.createSubscription(sub.name.split('/').pop()), 'no such topic': () => pubsub.topic('nowhere').publishMessage({ data }),
        'no such sub': () => pubsub.subscription('nobody').delete(), 'empty message': () => topic.publishMessage({ data: Buffer.alloc(0) }),
        'attributes alone': () => topic.publishMessage({ attributes: { a: 'b' } }), 'too big': () => topic.publishMessage({ data: Buffer.alloc(10485761) }),
        '9 s': () => make({ ackDeadlineSeconds: 9 }), 'wrong filter': () => make({ filter: 'bad filter' }), 'push': () => make({ pushEndpoint: 'https://example.com' }),
        'push later': () => sub.modifyPushConfig({ pushEndpoint: 'https://example.com' }), 'pull as before': () => sub.modifyPushConfig({}),
        'filter later': () => sub.setMetadata({ filter: 'attributes:c' }), 'order later': () => sub.setMetadata({ enableMessageOrdering: true }),
        'schema': () => topic.setMetadata({ schemaSettings: { schema: 'projects/p/schemas/s', encoding: 'JSON' } }), 'schemas': () => pubsub.createSchema('schema', 'AVRO', '{}'),
        'short name': () => pubsub.createTopic('ab'), 'reserved name': () => pubsub.createTopic('goog-topic'), 'no such snapshot': () => sub.seek('none'),
    };
    const codes = {};
    for (const [what, call] of Object.entries(calls)) {
        codes[what] = await codeOf(call);
    }
    return codes;
}

async function settings(topicName, subName) {
    const topic = pubsub.topic(topicName);
    const sub = topic.subscription(subName);
    const out = { topic: await topicSettings(topic), sub: await subSettings(topic, sub) };
    out.policies = [await policyOf(topic, 'roles/pubsub.publisher', ['pubsub.topics.get', 'pubsub.topics.update']),
        await policyOf(sub, 'roles/pubsub.subscriber', ['pubsub.subscriptions.get', 'pubsub.subscriptions.update'])];
    out.codes = await refusals(topic, sub);
    await pubsub.detachSubscription(subName);
    out.detached = (await sub.detached())[0];
    await topic.delete();
    out.deleted = (await sub.getMetadata())[0].topic;
    return out;
}

function quiet(subName, topicName, seconds) {
    const subscription = pubsub.subscription(subName);
    const errors = [];
    return new Promise((resolve, reject) => {
        let sent = 0;
        subscription.on('error', (error) => errors.push(error.message));
        subscription.on('message', async (message) => {
            message.ack();
            await subscription.close();
            resolve({ late_ms: Date.now() - sent, errors });
        });
        setTimeout(() => {
            sent = Date.now();
            pubsub.topic(topicName).publishMessage({ data: Buffer.from('after the quiet') }).catch(reject);
        }, Number(seconds) * 1000);
    });
}

const [command, ...words] = process.argv.slice(2);
const commands = { make, sub, publish, receive, seek, settings, quiet };
try {
    console.log(JSON.stringify(await commands[command](...words)));
    await pubsub.close();
    process.exit(0);
} catch (error) {
    console.error(`peer.mjs ${command}: ${error.stack}`);
    process.exit(1);
}
