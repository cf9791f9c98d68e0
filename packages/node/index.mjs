// The same for `import`: one implementation, so that there is one of each class of errors.
import seawall from './index.cjs';

export const { BinaryMissing, GatewayDied, SeawallError, StartError, explain, findBinary, gateway } = seawall;
