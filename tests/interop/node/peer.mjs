// peer.mjs - Google's own Node client against the server that PUBSUB_EMULATOR_HOST names. One JSON object as the last line of stdout.
//   node peer.mjs make    TOPIC SUB [DEAD_LETTER_TOPIC ATTEMPTS]
//   node peer.mjs publish TOPIC N SIZE
//   node peer.mjs receive SUB N [nack-once K | slowly MS]     slowly: 200 at a time, each takes so long; ends when N distinct messages are acked, or when nothing came for 20 s
//   node peer.mjs quiet   SUB TOPIC SECONDS       a stream without messages for that long, then one: how late it comes, and what errors were seen
// Numbered messages begin with their number in nine digits and a blank, as the Go peer's do.
import { PubSub } from '@google-cloud/pubsub';

const IDLE_MS = 20000;
const pubsub = new PubSub({ projectId: 'interop' });

async function make(topic, sub, deadLetterTopic, attempts) {
    await pubsub.createTopic(topic);
    const options = { ackDeadlineSeconds: 10 };
    if (deadLetterTopic) {
        await pubsub.createTopic(deadLetterTopic);
        options.deadLetterPolicy = { deadLetterTopic: pubsub.topic(deadLetterTopic).name, maxDeliveryAttempts: Number(attempts) };
    }
    await pubsub.createSubscription(topic, sub, options);
    const [metadata] = await pubsub.subscription(sub).getMetadata();
    return { topic: metadata.topic, ack_deadline_s: metadata.ackDeadlineSeconds, attempts: metadata.deadLetterPolicy?.maxDeliveryAttempts ?? 0 };
}

async function publish(topicName, n, size) {
    const topic = pubsub.topic(topicName, { batching: { maxMessages: 100, maxMilliseconds: 10 } });
    const answers = [];
    for (let i = 0; i < Number(n); i++) {
        answers.push(topic.publishMessage({ data: Buffer.from(`${String(i).padStart(9, '0')} `.padEnd(Number(size), 'x')), attributes: { number: String(i) } }));
    }
    const ids = await Promise.all(answers);
    return { published: ids.length, distinct_ids: new Set(ids).size };
}

function receive(subName, n, mode, k) {
    const subscription = pubsub.subscription(subName, mode === 'slowly' ? { flowControl: { maxMessages: 200, allowExcessMessages: false } } : {});
    const seen = new Map();
    const acked = new Set();
    const nacked = new Set();
    const errors = [];
    let received = 0, bad = 0;
    return new Promise((resolve) => {
        let timer;
        const finish = async () => {
            clearTimeout(timer);
            await subscription.close();
            const again = [...nacked].filter((id) => seen.get(id) > 1).length;
            resolve({ received, distinct: seen.size, acked: acked.size, nacked: nacked.size, nacked_again: again, bad, errors });
        };
        const restart = () => {
            clearTimeout(timer);
            timer = setTimeout(finish, IDLE_MS);
        };
        restart();
        subscription.on('error', (error) => errors.push(error.message));
        subscription.on('message', async (message) => {
            restart();
            if (mode === 'slowly') {
                await new Promise((next) => setTimeout(next, Number(k)));
            }
            received++;
            seen.set(message.id, (seen.get(message.id) ?? 0) + 1);
            bad += Number(message.attributes.number) !== Number(message.data.toString('latin1', 0, 9));
            if (mode === 'nack-once' && nacked.size < Number(k) && seen.get(message.id) === 1) {
                nacked.add(message.id);
                message.nack();
                return;
            }
            message.ack();
            acked.add(message.id);
            if (acked.size === Number(n)) {
                finish();
            }
        });
    });
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
const commands = { make, publish, receive, quiet };
try {
    console.log(JSON.stringify(await commands[command](...words)));
    await pubsub.close();
    process.exit(0);
} catch (error) {
    console.error(`peer.mjs ${command}: ${error.stack}`);
    process.exit(1);
}
