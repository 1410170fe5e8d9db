module.exports = async () => 'ok';
