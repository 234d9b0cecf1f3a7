import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/**
 * Which addresses may be asked where somebody else has chosen the address: the writer of a configuration could otherwise have a
 * worker fetch what only the worker can reach (CWE-918). A name is looked up once, and the connection goes to the address that was
 * looked at, so an answer that changes meanwhile leads nowhere.
 */
export interface Reach {
  /** Of a host as a URL has it. @throws OutOfReach for an address that may not be asked; names are looked at by `lookup` */
  checkHost(hostname: string): void;
  /** For `node:net`: looks a name up and fails with OutOfReach where any of its addresses may not be asked. */
  readonly lookup: LookupFunction;
}

/** An address that is not for sources. Names the host, which the configuration names anyway. */
export class OutOfReach extends Error {
  override readonly name = 'OutOfReach';
  readonly host: string;

  constructor(host: string) {
    super(`${host} is not a public address`);
    this.host = host;
  }
}

/** IANA's special-purpose registries (RFC 6890 and its updates): what is not routed on the public internet. */
const PRIVATE = [
  ...['10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '198.18.0.0/15'],
  ...['::1/128', 'fc00::/7'],
];
/** Link-local (metadata services of clouds answer there), nobody's and everybody's: never meant by `private`. */
const NEVER_OPEN = [
  ...[
    '0.0.0.0/8',
    '169.254.0.0/16',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/3',
  ],
  ...['::/128', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64', '2001:db8::/32', '2002::/16', 'fe80::/10', 'ff00::/8'],
  // Metadata services of clouds that answer at other addresses: AWS (IPv6), Azure, Alibaba.
  ...['fd00:ec2::254/128', '168.63.129.16/32', '100.100.100.200/32'],
];

/**
 * Public addresses, and those that are allowed besides: `private` (loopback and private networks), an address, a range in CIDR
 * notation, or a host's name, whose addresses are then not looked at.
 * @throws RangeError for a word that is none of these
 */
export function reachOf(allowed: readonly string[]): Reach {
  const names = new Set<string>();
  const ranges = new BlockList();
  let isPrivateOpen = false;
  for (const word of allowed) {
    if (word === 'private') isPrivateOpen = true;
    else if (isIP(word) !== 0 || word.includes('/')) addRange(ranges, word);
    else if (/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(word)) names.add(word.toLowerCase());
    else throw new RangeError(`${word}: no address, no range and no name`);
  }
  const isAllowed = (address: string): boolean =>
    isIn(ranges, address) || !isIn(isPrivateOpen ? NEVER : CLOSED, address);
  return {
    checkHost(hostname) {
      const host = hostname.replace(/^\[|\]$/g, '');
      if (isIP(host) !== 0 && !isAllowed(host)) throw new OutOfReach(host);
    },
    lookup(hostname, options, done) {
      lookup(hostname, { ...(options as LookupOptions), all: true }, (error, found) => {
        if (error) return done(error, []);
        const all: LookupAddress[] = found;
        if (!names.has(hostname.toLowerCase()) && !all.every(({ address }) => isAllowed(address))) {
          return done(new OutOfReach(hostname), []);
        }
        if (options.all) return done(null, all);
        return done(null, all[0]!.address, all[0]!.family);
      });
    },
  };
}

function addRange(list: BlockList, text: string): void {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  const most = version === 4 ? 32 : 128;
  const prefix = bits === undefined ? most : Number(bits);
  if (version === 0 || rest.length > 0 || !/^\d+$/.test(bits ?? '0') || prefix > most) {
    throw new RangeError(`${text}: no address and no range`);
  }
  list.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6');
}

/** Also of an IPv4 address in IPv6 notation (`::ffff:10.0.0.1`). */
const isIn = (list: BlockList, address: string): boolean => list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');

const listOf = (ranges: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const range of ranges) addRange(list, range);
  return list;
};
const [NEVER, CLOSED] = [listOf(NEVER_OPEN), listOf([...PRIVATE, ...NEVER_OPEN])];
